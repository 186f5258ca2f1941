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
from tasks.core.crashes import keep_tidy
from tasks.core.errors import TemperError
from tasks.core.home import home, project

POOL = "temper"
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
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL]
    command += ["--type", "process", *(["--limit", str(limit)] if limit else [])]
    process = subprocess.Popen(command, cwd=project(), env=_environment())
    threading.Thread(target=keep_tidy, daemon=True).start()  # a server of the user's does not
    interrupted: set[str] = set()

    def stop(*_: object) -> None:
        interrupted.update(_flow_runs(process.pid))
        process.send_signal(signal.SIGTERM)

    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, stop)
    code = process.wait()
    if interrupted:
        _hand_back(interrupted)
    return code


def _flow_runs(worker: int) -> set[str]:
    """Return the ids of the flow runs that a worker's child processes are at."""
    found = set()
    for process in psutil.Process(worker).children(recursive=True):
        with suppress(psutil.Error):
            found.add(process.environ().get("PREFECT__FLOW_RUN_ID"))
    return {run for run in found if run}


def _hand_back(runs: set[str]) -> None:
    """Schedule flow runs anew that were interrupted, and say so."""
    from prefect.client.orchestration import get_client
    from prefect.states import AwaitingRetry

    with get_client(sync_client=True) as client:
        for run in map(UUID, sorted(runs)):
            state = client.read_flow_run(run).state
            if state is None or not (state.is_completed() or state.is_failed()):
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
