"""`temper deploy` and `temper worker`: the deployments of deployments/prefect.yaml, and who runs
them.
"""

import os
import signal
import subprocess
import sys

from tasks.core import server
from tasks.core.errors import TemperError
from tasks.core.home import home, project

POOL = "temper"


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
    """Run deployments' flow runs until ended; return the worker's exit code."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL]
    command += ["--type", "process", *(["--limit", str(limit)] if limit else [])]
    process = subprocess.Popen(command, cwd=project(), env=_environment())
    signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGTERM))
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        return process.wait()


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
