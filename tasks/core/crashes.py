"""Marks the runs of processes that died as Crashed.

Every run's process holds the lock `.temper/runs/<flow run id>`; a lock that can be taken has no
process.
"""

import atexit
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from tasks.core import locks, slots, temporary
from tasks.core.home import subfolder

MESSAGE = "Its process ended before it did (killed, or the machine stopped)."
OPEN = ("RUNNING", "PENDING", "CANCELLING")
TIDY_EVERY_S = 5.0


def mark(flow: Any, flow_run: Any, state: Any) -> None:
    """Hold the lock of a flow run that starts, for the life of this process (a flow's hook)."""
    path = subfolder("runs") / str(flow_run.id)
    locks.acquire(path)
    atexit.register(path.unlink, missing_ok=True)


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
    dead = dead_runs()
    if dead:
        from prefect.client.orchestration import get_client

        with get_client(sync_client=True) as client:
            for path in dead:
                _crash(client, UUID(path.name))
                path.unlink(missing_ok=True)
    return len(dead)


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
