"""One private Prefect server a project: started by its first client, gone soon after the last one.

Nothing heavy is imported here, so that the server starts before Prefect is imported.
Every client holds a shared lock for the life of its process; the server stops once it holds that
lock alone. Each client waits for the lock that the server's process holds: who gets it starts the
server again, on the same address.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import deque
from contextlib import suppress
from pathlib import Path

from dotenv import load_dotenv

from tasks.core import locks
from tasks.core.errors import TransientError
from tasks.core.home import NO_TELEMETRY, home, open_log, project, subfolder
from tasks.core.temporary import write

START_LIMIT_S = 90.0
PORT_LIMIT_S = 20.0
MOST_DEATHS, MOST_DEATHS_IN_S = 3, 60.0
LOG_LINES = 15
_client_locks: list[int] = []  # held until the process ends


def environment() -> dict[str, str]:
    """Return the environment that Prefect needs: its folders in `.temper`, and nothing leaves."""
    folder = home()
    return {
        **NO_TELEMETRY,
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_LOCAL_STORAGE_PATH": str(subfolder("records")),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
        "PREFECT_LOGGING_LEVEL": os.environ.get("PREFECT_LOGGING_LEVEL", "WARNING"),
        "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
        # failures are told once, in our words
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_HANDLERS_DEBUG_LEVEL": "CRITICAL",
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_TASKS_RUNNER_THREAD_POOL_MAX_WORKERS": str(max(2, _cores())),
        "PREFECT_CLIENT_MAX_RETRIES": "6",  # a lost server is waited for: 2, 4, 8 … s, 2 minutes
    }


def set_environment() -> None:
    """Set what Prefect needs, where neither the environment nor `.env` says otherwise."""
    load_dotenv(project() / ".env")
    for name, value in environment().items():
        os.environ.setdefault(name, value)


def _cores() -> int:
    """Return the cores that this process may use: more tasks at once would only crowd them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def connect(wait: bool = True) -> str:
    """Return the API address to use, and set it in the environment.

    `PREFECT_API_URL` is used where it is set; else the project's own server, started where none
    runs. Without `wait` that server may not answer yet: call `ready` before the first request.

    Raises:
        TransientError: the server does not answer; the message has the end of its log.
    """
    set_environment()
    given = os.environ.get("PREFECT_API_URL")
    if given:
        if not healthy(given):
            raise TransientError(
                f"PREFECT_API_URL={given}: nothing answers there. Start that server, or unset the "
                "variable: Temper then starts its own."
            )
        return given
    folder = subfolder("locks")
    with locks.held(folder / "server-start"):
        descriptor = locks.acquire(folder / "server-clients", shared=True)
        assert descriptor is not None
        _client_locks.append(descriptor)
        url = running() or _start()
    os.environ["PREFECT_API_URL"] = url
    if len(_client_locks) == 1:
        threading.Thread(target=_keep, args=(url,), daemon=True).start()
    if wait:
        ready(url)
    return url


def ready(url: str) -> None:
    """Return once the server at an address answers.

    Raises:
        TransientError: it has ended, or does not answer in time; the message has its log's end.
    """
    deadline = time.monotonic() + START_LIMIT_S
    while not healthy(url):
        if time.monotonic() > deadline or (url == _address() and running() is None):
            log = subfolder("logs") / "server.log"
            raise TransientError(f"Prefect's server did not start; {log} ends with:\n{_tail(log)}")
        time.sleep(0.05)


def running() -> str | None:
    """Return the address of the project's own server where its process lives, else None."""
    free = locks.is_free(subfolder("locks") / "server")  # the server's process holds it
    return None if free else _address()


def healthy(url: str, timeout_s: float = 2.0) -> bool:
    """Return whether a Prefect API answers at an address."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=timeout_s) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError, ValueError):
        return False


def _keep(url: str) -> None:
    """Start the server again on its address where it was killed, while this process needs it.

    One that dies again and again is left: requests then fail, and say so.
    """
    port = urllib.parse.urlsplit(url).port or 0
    deaths: deque[float] = deque([-MOST_DEATHS_IN_S] * MOST_DEATHS, MOST_DEATHS)
    with suppress(OSError):  # the home was removed, or the port is taken
        while time.monotonic() - deaths[0] > MOST_DEATHS_IN_S:
            with locks.held(subfolder("locks") / "server"):  # waits in the kernel
                deaths.append(time.monotonic())
            with locks.held(subfolder("locks") / "server-start"):
                if not _client_locks:
                    return
                if running() is None:
                    _start(port)


def _start(port: int = 0) -> str:
    """Start the server's process on a port, or on any that is free; return its address."""
    listening = _listen(port)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/api"
    variables = {**os.environ, **environment(), "PREFECT_SERVER_UI_API_URL": url}
    variables["PREFECT_API_URL"] = url
    variables.setdefault(
        "PREFECT_API_DATABASE_CONNECTION_URL", f"sqlite+aiosqlite:///{home() / 'prefect.db'}"
    )
    alive = locks.acquire(subfolder("locks") / "server")  # the process keeps it for its life
    assert alive is not None
    log = open_log("server.log")
    process = subprocess.Popen(
        [sys.executable, "-m", "tasks.core.serving", str(listening.fileno())],
        pass_fds=[listening.fileno(), alive],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=variables,
        cwd=home(),
        start_new_session=True,
    )
    os.close(log)
    process.returncode = 0  # left to itself, and ends by its locks: nobody waits for it
    write(_address_file(), json.dumps({"url": url, "pid": process.pid}))
    listening.close()
    locks.release(alive)
    return url


def _listen(port: int) -> socket.socket:
    """Return a socket that listens on a port, so that an early client waits instead of failing.

    A killed server's port may still be taken for a moment after its lock is free.

    Raises:
        OSError: the port stays taken.
    """
    deadline = time.monotonic() + PORT_LIMIT_S
    while True:
        try:
            return socket.create_server(("127.0.0.1", port), backlog=128)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def stop_linger() -> None:
    """Let the client's locks go now: for a process that lives on after its last run."""
    while _client_locks:
        locks.release(_client_locks.pop())


def _address() -> str | None:
    try:
        return json.loads(_address_file().read_text())["url"]
    except (OSError, ValueError, KeyError):
        return None


def _address_file() -> Path:
    return home() / "server.json"


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
