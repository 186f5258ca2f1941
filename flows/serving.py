"""`temper ui`: Prefect's UI and MLflow's UI, on loopback, until interrupted."""

import os
import signal
import socket
import subprocess
import sys
import time

from tasks.core import child, server
from tasks.core.home import home, open_log, subfolder
from tasks.register.store import QUIET, database_missing, get_ready, tracking_uri


def serve(stop_after_s: float | None = None) -> None:
    """Serve both UIs and print their addresses; end with Ctrl-C, or after some seconds."""
    api = server.connect()
    if database_missing(tracking_uri()):
        child.run(get_ready)
    port = _free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
            *("--backend-store-uri", tracking_uri(), "--workers", "1"),
            *("--default-artifact-root", subfolder("mlartifacts").as_uri()),
        ],
        cwd=home(),
        env={**os.environ, **QUIET},
        stdout=subprocess.DEVNULL,
        stderr=open_log("mlflow-ui.log"),
        start_new_session=True,
        umask=0o077,
    )
    try:
        print(f"Prefect  {api.removesuffix('/api')}", flush=True)
        print(f"MLflow   http://127.0.0.1:{port}", flush=True)
        print("Ctrl-C ends both.", flush=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        deadline = time.monotonic() + stop_after_s if stop_after_s else float("inf")
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.2)
    except KeyboardInterrupt:
        pass
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
