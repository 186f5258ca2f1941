"""The store: contents by digest, written under `.temper/tmp` and then moved, read-only after.

A content is a folder. Beside it `<digest>.json` remembers each file's digest and stat; a file
whose size, mtime, ctime and inode are unchanged since is not read again.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tasks.core import locks
from tasks.core.artifacts import Artifact, file_digest, folder_digest
from tasks.core.errors import StoreError
from tasks.core.home import subfolder


def folder_of(digest: str) -> Path:
    """Return where the content of a digest lies, or would lie."""
    return subfolder("store") / digest[:2] / digest


@contextmanager
def writing() -> Iterator[Path]:
    """Give an empty temporary folder on the store's disk; it is gone afterwards unless it was
    `put`.
    """
    folder, descriptor = _temporary()
    try:
        yield folder
    finally:
        _remove(folder)
        locks.release(descriptor)


def sweep() -> int:
    """Remove the temporary folders of processes that died; return how many there were."""
    count = 0
    for folder in subfolder("tmp").iterdir():
        with suppress(OSError):  # it went away by itself
            descriptor = locks.folder(folder)
            if descriptor is not None:
                _remove(folder)
                locks.release(descriptor)
                count += 1
    return count


def put(name: str, folder: Path) -> Artifact:
    """Move a folder's files into the store and return their artifact.

    Raises:
        StoreError: the folder is empty.
    """
    if not any(p.is_file() for p in folder.rglob("*")):
        raise StoreError(f"{name}: nothing was written to {folder}")
    digests: dict[str, str] = {}
    artifact = Artifact(name=name, digest=folder_digest(folder, digests))
    target = folder_of(artifact.digest)
    if intact(artifact):
        return artifact
    target.parent.mkdir(mode=0o700, exist_ok=True)
    if target.exists():  # damaged: an intact one was returned above
        with writing() as away, suppress(OSError):
            os.replace(target, away / "damaged")
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o444)
    try:
        os.replace(folder, target)
    except OSError:
        if not target.exists():  # another process put the same content meanwhile
            raise
    _remember(artifact.digest, digests)
    return artifact


def intact(artifact: Artifact) -> bool:
    """Return whether the store holds the artifact's content with its digest."""
    folder = folder_of(artifact.digest)
    if not folder.is_dir():
        return False
    try:
        known = json.loads(_memo(artifact.digest).read_text())
    except (OSError, ValueError):
        known = {}
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    if known and set(known) == set(files) and all(known[r][1] == _stat(files[r]) for r in files):
        return True
    digests: dict[str, str] = {}
    if folder_digest(folder, digests) != artifact.digest:
        return False
    _remember(artifact.digest, digests)
    return True


def require(artifact: Artifact) -> Artifact:
    """Return the artifact, its content checked.

    Raises:
        StoreError: the content is missing or damaged.
    """
    if not intact(artifact):
        raise StoreError(
            f"{artifact.name}: {folder_of(artifact.digest)} is missing or does not match its "
            "digest; run again and it is made anew"
        )
    return artifact


def copy_file(source: Path, target: Path) -> None:
    """Put a file of the store elsewhere: a copy, then a move (DVC's cache may be linked)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.copyfile(source, temporary)
    os.replace(temporary, target)


def same_file(source: Path, target: Path) -> bool:
    """Return whether two files have the same bytes."""
    return (
        target.is_file()
        and source.stat().st_size == target.stat().st_size
        and file_digest(source) == file_digest(target)
    )


def _temporary() -> tuple[Path, int]:
    """Return a new folder, and the lock on it that says that its process lives."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=subfolder("tmp"), prefix=f"{os.getpid()}-"))
        with suppress(OSError):  # swept before it was locked
            descriptor = locks.folder(folder)
            if descriptor is not None and folder.exists():
                return folder, descriptor


def _memo(digest: str) -> Path:
    return folder_of(digest).with_suffix(".json")


def _stat(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _remember(digest: str, digests: dict[str, str]) -> None:
    folder = folder_of(digest)
    content = {relative: [sha, _stat(folder / relative)] for relative, sha in digests.items()}
    temporary = _memo(digest).with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content))
    os.replace(temporary, _memo(digest))


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
