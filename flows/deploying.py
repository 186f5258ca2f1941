"""`temper deploy` and `temper worker`: the deployments of deployments/prefect.yaml, and who runs
them.
"""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from uuid import UUID

import psutil

from tasks.core import server
from tasks.core.crashes import keep_tidy, worker_name
from tasks.core.errors import TemperError
from tasks.core.home import home, project

POOL = "temper"
ENDED_WITHIN_S = 20.0
HANDED_BACK = "Its worker was stopped; the next one goes on with it."


def deploy() -> None:
    """Create the work pool and the deployments on the server.

    Raises:
        TemperError: Prefect refused; with its words.
    """
    environment = _environment()
    _prefect(environment, "work-pool", "create", POOL, "--type", "process", "--overwrite")
    file = project() / "deployments" / "prefect.yaml"
    _prefect(environment, "--no-prompt", "deploy", "--all", "--prefect-file", str(file))
    print(f"Deployed to {environment['PREFECT_API_URL']}. Start a worker: temper worker")


def work(limit: int | None = None) -> int:
    """Run deployments' flow runs until ended; return the worker's exit code.

    Ended by SIGTERM or SIGINT, it hands the runs that it was at back: the next worker takes them up
    and finds cached what had finished.
    """
    environment = _environment()
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL]
    command += ["--type", "process", "--name", f"{worker_name()} {os.getpid()}"]
    command += ["--limit", str(limit)] if limit else []
    process = subprocess.Popen(command, cwd=project(), env=environment)
    if environment["PREFECT_API_URL"] != server.running():  # a server of the user's does not
        threading.Thread(target=keep_tidy, daemon=True).start()
    interrupted: dict[str, psutil.Process] = {}

    def stop(sign: int, _: object) -> None:
        interrupted.update(_flow_runs(process.pid))
        if sign == signal.SIGTERM:  # Ctrl-C reaches the worker by itself; told twice, it is killed
            process.send_signal(sign)

    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, stop)
    code = process.wait()
    if interrupted:
        _, alive = psutil.wait_procs(interrupted.values(), timeout=ENDED_WITHIN_S)
        for left in alive:  # by a worker that was itself killed
            with suppress(psutil.Error):
                left.kill()
        _hand_back(sorted(interrupted))
    return code


def _flow_runs(worker: int) -> dict[str, psutil.Process]:
    """Return the ids of the flow runs that a worker's child processes are at."""
    found: dict[str, psutil.Process] = {}
    try:
        children = psutil.Process(worker).children(recursive=True)
    except psutil.NoSuchProcess:
        return found
    for process in children:
        with suppress(psutil.Error):
            run = process.environ().get("PREFECT__FLOW_RUN_ID")
            if run:
                found.setdefault(run, process)  # the run's own process, before its children
    return found


def _hand_back(runs: list[str]) -> None:
    """Schedule flow runs anew that were interrupted, and say so."""
    from prefect.client.orchestration import get_client
    from prefect.states import AwaitingRetry

    with get_client(sync_client=True) as client:
        for run in map(UUID, runs):
            state = client.read_flow_run(run).state
            if state is None or not state.is_final() or state.is_crashed():
                client.set_flow_run_state(run, AwaitingRetry(message=HANDED_BACK), force=True)
    print(f"{len(runs)} interrupted, handed back: the next worker goes on with it.")


def _environment() -> dict[str, str]:
    server.connect()
    return {**os.environ, "TEMPER_HOME": str(home()), "TEMPER_PROJECT": str(project())}


def _prefect(environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        cwd=project(),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        words = (done.stdout + done.stderr).strip()[-800:]
        raise TemperError(f"prefect {' '.join(arguments[:2])}: {words}")
