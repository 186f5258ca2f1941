"""Mends what a killed DVC leaves: a list of locks whose holders have died, half a dvc.lock."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import yaml

from tasks.core import locks, params
from tasks.core.home import project, subfolder
from tasks.core.temporary import write

WRITTEN_WITHIN_S = 1.0  # by a DVC that lives; it takes some 50 ms
MERGE = "<<<<<<<"
HALF = (
    "note: dvc.lock was half-written, by a DVC that was killed. It is now as {}; stages that it "
    "lacks run again, and their tasks are found cached."
)


def mend() -> None:
    """Mend both, where there is something to mend; say so of dvc.lock."""
    free_dead_locks()
    restore_lock()


def free_dead_locks() -> None:
    """Remove DVC's list of who is at which file where all of them have died.

    DVC does so itself, but takes a dead process that nobody has waited for yet (under a container's
    first process it may stay for ever) for a living one, and refuses.
    """
    path = project() / ".dvc" / "tmp" / "rwlock"
    try:
        kinds = json.loads(path.read_text())
        readers = [info for infos in kinds["read"].values() for info in infos]
        pids = {int(info["pid"]) for info in [*readers, *kinds["write"].values()]}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return
    if pids and not any(locks.alive(pid) for pid in pids):
        path.unlink(missing_ok=True)


def keep_lock() -> None:
    """Keep a copy of dvc.lock: while a stage runs it is whole."""
    text = _text(project() / "dvc.lock")
    if text and text != _text(_kept()):
        write(_kept(), text)


def restore_lock() -> None:
    """Put back a dvc.lock that is not whole: as it was kept, or as git has it; else remove it.

    DVC writes it in place, and refuses to read half of it. One with marks of a merge is the user's.
    """
    path = project() / "dvc.lock"
    deadline = time.monotonic() + WRITTEN_WITHIN_S
    while path.exists() and not _whole(half := _text(path)):
        if half and MERGE in half:
            return
        if time.monotonic() < deadline:
            time.sleep(0.05)
            continue
        sources = (("it was before its last stage", _text(_kept())), ("git has it", _in_git()))
        how, text = next((s for s in sources if _whole(s[1])), ("if no stage had run", None))
        write(_kept().with_name("dvc.lock.half"), half or "")
        if text is None:
            path.unlink()
        else:
            temporary = path.with_name(f"dvc.lock.{os.getpid()}.tmp")
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
        print(HALF.format(how), file=sys.stderr)


def _kept() -> Path:
    return subfolder("memo") / "dvc.lock"


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _in_git() -> str | None:
    command = ["git", "show", "HEAD:./dvc.lock"]
    shown = subprocess.run(command, cwd=project(), capture_output=True, text=True, check=False)
    return shown.stdout if shown.returncode == 0 else None


def _whole(text: str | None) -> bool:
    """Return whether DVC would take this for a lock file."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    try:
        COMPILED_LOCKFILE_SCHEMA(yaml.load(text or "", params.YamlLoader))
    except (yaml.YAMLError, Invalid):
        return False
    return True
