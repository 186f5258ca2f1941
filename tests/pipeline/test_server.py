"""The project's own server ends with its last client, and with its home."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.core import locks

CLIENT = """
import sys, time
from tasks.core import server
print(server.connect(), flush=True)
time.sleep(60)
"""


@pytest.mark.pipeline
@pytest.mark.parametrize("end", ["client killed", "home removed"])
def test_no_server_is_left(tmp_path: Path, new_database: Path, end: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copyfile(new_database, home / "prefect.db")
    environment = {**os.environ, "TEMPER_HOME": str(home)}
    environment.pop("PREFECT_API_URL", None)
    environment["PREFECT_HOME"] = str(home / "prefect")
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT], env=environment, stdout=subprocess.PIPE, text=True
    )
    server = None
    try:
        assert client.stdout is not None
        assert client.stdout.readline().startswith("http://127.0.0.1:")
        server = json.loads((home / "server.json").read_text())["pid"]
        if end == "home removed":
            shutil.rmtree(home, ignore_errors=True)
        client.kill()
        deadline = time.monotonic() + 40
        while locks.alive(server) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert not locks.alive(server)
    finally:
        client.kill()
        client.communicate()
        if server is not None and locks.alive(server):
            os.kill(server, signal.SIGKILL)
