"""The store: contents by digest, written under `.temper/tmp` and then moved, read-only after.

A content is a folder. Beside it `<digest>.json` remembers each file's digest and stat; a file
whose size, mtime, ctime and inode are unchanged since is not read again.
"""

import json
import os
import shutil
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from tasks.core import temporary
from tasks.core.artifacts import Artifact, file_digest, folder_digest
from tasks.core.errors import StoreError
from tasks.core.home import subfolder


def folder_of(digest: str) -> Path:
    """Return where the content of a digest lies, or would lie."""
    return subfolder("store") / digest[:2] / digest


def writing() -> AbstractContextManager[Path]:
    """Give an empty temporary folder; it is gone after the block unless it was `put`."""
    return temporary.folder()


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
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o400 if path.is_file() else 0o700)
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
        known = json.loads(memo_of(artifact.digest).read_text())
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
    copy = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.copyfile(source, copy)
    os.replace(copy, target)


def same_file(source: Path, target: Path) -> bool:
    """Return whether two files have the same bytes."""
    return (
        target.is_file()
        and source.stat().st_size == target.stat().st_size
        and file_digest(source) == file_digest(target)
    )


def memo_of(digest: str) -> Path:
    """Return where the digests and stats of a content's files are remembered."""
    return folder_of(digest).with_suffix(".json")


def _stat(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _remember(digest: str, digests: dict[str, str]) -> None:
    folder = folder_of(digest)
    content = {relative: [sha, _stat(folder / relative)] for relative, sha in digests.items()}
    temporary.write(memo_of(digest), json.dumps(content))
