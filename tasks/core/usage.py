"""Who uses the store: runs share it for their lives, `temper gc` has it alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
        holding, _ = locks.processes(_file())
        users = "\n".join(f"  process {pid}: {locks.command(pid)}" for pid in holding)
        raise StoreBusy(f"a run uses the store; try again when it has ended:\n{users}")
    try:
        yield
    finally:
        locks.release(descriptor)


def _file() -> Path:
    return subfolder("locks") / "store"
