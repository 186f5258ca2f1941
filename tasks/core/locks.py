"""OS file locks: the kernel drops them when their holder dies, however it dies."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_S = 0.05


def acquire(path: Path, *, shared: bool = False, timeout_s: float | None = None) -> int | None:
    """Return the descriptor of a lock file once it is held, or None after `timeout_s`.

    None as a timeout waits in the kernel, without polling.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if deadline is None:
                fcntl.flock(descriptor, kind)
            elif not _poll(descriptor, kind, deadline):
                os.close(descriptor)
                return None
            if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the file was removed by its last holder: take the new one


def folder(path: Path) -> int | None:
    """Return the descriptor of an existing folder, locked alone; None where another holds it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def release(descriptor: int, remove: Path | None = None) -> None:
    """Let a lock go; `remove` also removes its file (only of locks that are held alone)."""
    if remove is not None:
        remove.unlink(missing_ok=True)
    os.close(descriptor)


@contextmanager
def held(path: Path, *, shared: bool = False) -> Iterator[int]:
    """Hold a lock for the duration of a block."""
    descriptor = acquire(path, shared=shared)
    assert descriptor is not None
    try:
        yield descriptor
    finally:
        release(descriptor)


def is_free(path: Path) -> bool:
    """Return whether nobody holds a lock file."""
    descriptor = acquire(path, timeout_s=0)
    if descriptor is not None:
        release(descriptor)
    return descriptor is not None


def processes(path: Path) -> tuple[list[int], list[int]]:
    """Return the processes that hold a lock file and those that the kernel lets wait for it.

    Found by the file's number alone: some file systems state another device to `stat`.
    """
    holding: list[int] = []
    waiting: list[int] = []
    try:
        number = str(path.stat().st_ino)
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return holding, waiting
    for line in lines:  # 1: -> FLOCK ADVISORY WRITE <pid> <device>:<number> 0 EOF
        _, kind, _, _, pid, file, *_ = line.replace("->", "").split()
        if kind == "FLOCK" and file.rpartition(":")[2] == number:
            (waiting if "->" in line else holding).append(int(pid))
    return holding, waiting


def alive(pid: int) -> bool:
    """Return whether a process runs; one that has died and was not waited for does not."""
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def command(pid: int) -> str:
    """Return what a process was started with, without its interpreter, on one line."""
    import psutil

    try:
        words = psutil.Process(pid).cmdline()
    except psutil.Error:
        return "ended"
    return " ".join(" ".join(words[1:] or words).split())[:80]


def _poll(descriptor: int, kind: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_S)
