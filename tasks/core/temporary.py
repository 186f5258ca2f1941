"""Temporary folders in `.temper/tmp`: locked while their process lives, swept once it has died."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tasks.core import locks
from tasks.core.home import subfolder


@contextmanager
def folder() -> Iterator[Path]:
    """Give an empty folder on the home's disk; it is gone afterwards, unless it was moved."""
    path, descriptor = _locked()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        locks.release(descriptor)


def write(path: Path, content: str | bytes) -> None:
    """Write a file of the home, whole or not at all, for its owner's eyes alone (0600)."""
    with folder() as place:
        file = place / "file"
        file.touch(mode=0o600)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(file, path)


def sweep() -> int:
    """Remove the folders of processes that died; return how many there were."""
    count = 0
    for path in subfolder("tmp").iterdir():
        with suppress(OSError):  # it went away by itself
            descriptor = locks.folder(path)
            if descriptor is not None:
                shutil.rmtree(path, ignore_errors=True)
                locks.release(descriptor)
                count += 1
    return count


def _locked() -> tuple[Path, int]:
    """Return a new folder, and the lock on it that says that its process lives."""
    while True:
        path = Path(tempfile.mkdtemp(dir=subfolder("tmp"), prefix=f"{os.getpid()}-"))
        with suppress(OSError):  # swept before it was locked
            descriptor = locks.folder(path)
            if descriptor is not None and path.exists():
                return path, descriptor
