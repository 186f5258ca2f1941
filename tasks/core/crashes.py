"""Marks the runs of processes that died as Crashed.

Every run's process holds the lock `.temper/runs/<flow run id>`; a lock that can be taken has no
process. One that died before it had the lock left its run Pending: no process says that it is at
it, and a run of our own server or of a worker of this home is nobody else's.
"""

import atexit
import hashlib
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil

from tasks.core import locks, server, slots, temporary
from tasks.core.home import home, subfolder

MESSAGE = "Its process ended before it did (killed, or the machine stopped)."
OPEN = ("RUNNING", "PENDING", "CANCELLING")
TIDY_EVERY_S = 5.0
STARTED_WITHIN = timedelta(seconds=45)  # from Pending to Running; usually 1 to 5 s


def mark(flow: Any, flow_run: Any, state: Any) -> None:
    """Hold the lock of a flow run that starts, for the life of this process (a flow's hook)."""
    path = subfolder("runs") / str(flow_run.id)
    locks.acquire(path)
    atexit.register(path.unlink, missing_ok=True)


def worker_name() -> str:
    """Return how the names of this home's workers begin, which their runs carry as a label."""
    place = f"{socket.gethostname()}:{home()}"
    return f"temper {hashlib.sha256(place.encode()).hexdigest()[:12]}"


def dead_runs() -> list[Path]:
    """Return the lock files of runs whose process is gone."""
    return [path for path in subfolder("runs").iterdir() if locks.is_free(path)]


def keep_tidy(done: Callable[[], bool] = lambda: False) -> None:
    """Clear up after processes that died, again and again: their runs, slots, temporary folders."""
    while not done():
        with suppress(Exception):  # the next round tries again; nothing is lost by it
            reap()
            slots.release_dead()
            temporary.sweep()
        time.sleep(TIDY_EVERY_S)


def reap() -> int:
    """Mark every dead run and its tasks Crashed; return how many runs there were."""
    from prefect.client.orchestration import get_client

    dead = dead_runs()
    private = os.environ.get("PREFECT_API_URL") == server.running()
    with get_client(sync_client=True) as client:
        for path in dead:
            _crash(client, UUID(path.name))
            path.unlink(missing_ok=True)
        never_ran = [
            run
            for run in _pending(client)
            if (private or run.labels.get("prefect.worker.name", "").startswith(worker_name()))
            and not _has_process(str(run.id))
        ]
        for run in never_ran:
            _crash(client, run.id)
    return len(dead) + len(never_ran)


def _pending(client: Any) -> list[Any]:
    """Return the flow runs that are Pending for longer than a start takes."""
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType

    pending = filters.FlowRunFilterStateType(any_=[StateType.PENDING])
    runs = client.read_flow_runs(
        flow_run_filter=filters.FlowRunFilter(state=filters.FlowRunFilterState(type=pending))
    )
    before = datetime.now(UTC) - STARTED_WITHIN
    return [run for run in runs if run.state is not None and run.state.timestamp < before]


def _has_process(flow_run: str) -> bool:
    """Return whether a process of this machine is at a worker's flow run."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("PREFECT__FLOW_RUN_ID") == flow_run:
                return True
    return False


def _crash(client: Any, flow_run: UUID) -> None:
    from prefect.client.schemas import filters
    from prefect.exceptions import ObjectNotFound
    from prefect.states import Crashed

    try:
        run = client.read_flow_run(flow_run)
    except ObjectNotFound:
        return
    tasks = client.read_task_runs(
        task_run_filter=filters.TaskRunFilter(
            flow_run_id=filters.TaskRunFilterFlowRunId(any_=[flow_run])
        )
    )
    for task in tasks:
        if task.state_type is not None and task.state_type.value in OPEN:
            client.set_task_run_state(task.id, Crashed(message=MESSAGE), force=True)
    if run.state_type is not None and run.state_type.value in OPEN:
        client.set_flow_run_state(flow_run, Crashed(message=MESSAGE), force=True)
