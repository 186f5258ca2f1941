"""Who uses the store: runs share it for their lives, `temper gc` has it alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tasks.core import locks
from tasks.core.errors import StoreBusy
from tasks.core.home import subfolder

_lock = threading.Lock()
_held: dict[Path, int] = {}


def share() -> None:
    """Keep the store's contents from being collected, for the life of this process.

    Between a cache hit and the use of its content nothing else holds on to it.
    """
    path = _file()
    with _lock:
        if path not in _held:
            descriptor = locks.acquire(path, shared=True)
            assert descriptor is not None
            _held[path] = descriptor


@contextmanager
def alone() -> Iterator[None]:
    """Have the store alone for a block; runs that begin meanwhile wait.

    Raises:
        StoreBusy: a run uses it; the message names the processes.
    """
    descriptor = locks.acquire(_file(), timeout_s=0)
    if descriptor is None:
        users = "\n".join(f"  process {pid}: {command}" for pid, command in _users())
        raise StoreBusy(f"a run uses the store; try again when it has ended:\n{users}")
    try:
        yield
    finally:
        locks.release(descriptor)


def _users() -> list[tuple[int, str]]:
    """Return process id and command line of who shares the store."""
    found = []
    for pid in locks.processes(_file())[0]:
        try:
            found.append((pid, " ".join(psutil.Process(pid).cmdline()[-4:])))
        except psutil.Error:
            found.append((pid, "?"))
    return found


def _file() -> Path:
    return subfolder("locks") / "store"
