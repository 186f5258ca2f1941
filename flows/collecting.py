"""`temper gc`: bounds the store's size and age, and keeps what somebody needs.

A content counts as used when a task returned it, ran or cached; the last use is its record's time.
Contents leave by a rename, so that a killed collection leaves whole ones and gone ones alone.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from flows import history, needs
from tasks.core import locks, records, store, temporary, usage
from tasks.core.artifacts import folder_digest
from tasks.core.home import home, subfolder
from tasks.core.records import Record

DAY_S = 86_400.0
GB = 1e9


class Content(NamedTuple):
    """A content of the store: its digest, those of its files, bytes, last use, artifacts' names."""

    digest: str
    files: frozenset[str]
    size: int
    used_s: float
    names: str


class Plan(NamedTuple):
    """What goes, and why the rest stays."""

    gone: list[Content]
    kept: list[tuple[Content, list[str]]]
    records: list[Path]
    stale: list[Path]  # outside the store: what killed and forgotten runs left

    @property
    def digests(self) -> set[str]:
        """Return the digests of the contents that go."""
        return {content.digest for content in self.gone}


def collect(keep_gb: float, keep_days: float, dry_run: bool) -> None:
    """Remove contents unused for `keep_days`, then the longest unused, down to `keep_gb`.

    Raises:
        StoreBusy: a run uses the store.
        TemperError: it cannot be told what is needed, so nothing is removed.
    """
    if dry_run:
        _tell(plan(keep_gb, keep_days), keep_gb, keep_days, dry_run)
        return
    with store.writing() as away:  # its content is deleted last, when runs may go on
        with usage.alone():
            found = plan(keep_gb, keep_days)
            remove(found, away)
        temporary.sweep()
    _tell(found, keep_gb, keep_days, dry_run)


def plan(keep_gb: float, keep_days: float) -> Plan:
    """Return what goes and why the rest stays."""
    wanted, known = needs.find(), records.every()
    oldest = time.time() - keep_days * DAY_S
    everything = sorted(contents(known), key=lambda content: content.used_s)
    size = sum(content.size for content in everything)
    gone, kept = [], []
    for content in everything:
        who = wanted.digests.get(content.digest, set()).union(
            *(wanted.digests.get(file, set()) for file in content.files)
        )
        if who:
            kept.append((content, sorted(who)))
        elif content.used_s < oldest or size > keep_gb * GB:
            gone.append(content)
            size -= content.size
        else:
            kept.append((content, ["used lately, and within the size"]))
    present = {content.digest for content, _ in kept}
    paths = [
        path
        for path, record in _records(known).items()
        if record is None
        or not all(artifact.digest in present for artifact in record.artifacts)
        or (record.used_s < oldest and record.key not in wanted.keys)
    ]
    return Plan(gone, kept, paths, list(_stale(oldest)))


def remove(found: Plan, away: Path) -> None:
    """Move what goes out of its place, into a folder that is deleted afterwards."""
    for path in found.records:
        path.unlink(missing_ok=True)
    history.forget(found.digests)
    for content in found.gone:
        os.replace(store.folder_of(content.digest), away / content.digest)
        store.memo_of(content.digest).unlink(missing_ok=True)
    for path in found.stale:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def contents(known: list[Record]) -> Iterator[Content]:
    """Yield what the store holds."""
    used: dict[str, float] = {}
    names: dict[str, set[str]] = {}
    for record in known:
        for artifact in record.artifacts:
            used[artifact.digest] = max(record.used_s, used.get(artifact.digest, 0.0))
            names.setdefault(artifact.digest, set()).add(artifact.name)
    for folder in subfolder("store").glob("??/*"):
        if not folder.is_dir():
            continue
        yield Content(
            digest=folder.name,
            files=_files(folder),
            size=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
            used_s=used.get(folder.name, folder.stat().st_ctime),
            names=", ".join(sorted(names.get(folder.name, {"-"}))),
        )


def _files(folder: Path) -> frozenset[str]:
    digests: dict[str, str] = {}
    try:
        memo = json.loads(store.memo_of(folder.name).read_text())
        return frozenset(digest for digest, _ in memo.values())
    except (OSError, ValueError):  # of a process killed just before it was written
        folder_digest(folder, digests)
        return frozenset(digests.values())


def _records(known: list[Record]) -> dict[Path, Record | None]:
    """Return every file of the records' folder with its record, or None."""
    by_key = {record.key: record for record in known}
    folder = records.folder()
    return {path: by_key.get(path.name) for path in folder.iterdir()} if folder.is_dir() else {}


def _stale(oldest: float) -> Iterator[Path]:
    """Yield what nobody will look for again: runs hold none of it while the store is had alone."""
    notes = needs.notes()
    yield from (path for path, content in notes.items() if content is None)
    noted = {content["workload"] for content in notes.values() if content}
    for path in home().glob("traces/*/*"):
        if path.stat().st_mtime < oldest and unquote(path.parent.name) not in noted:
            yield path
    for memo in subfolder("store").glob("??/*.json"):
        if not memo.with_suffix("").is_dir():
            yield memo
    for top in ("checkpoints", "quarantine", "locks/tasks", "runs"):
        for path in home().joinpath(top).glob("*"):
            if path.stat().st_mtime < oldest and (path.is_dir() or locks.is_free(path)):
                yield path


def _tell(found: Plan, keep_gb: float, keep_days: float, dry_run: bool) -> None:
    """Print what went (or would) and who needs the rest."""
    if dry_run:
        for content in found.gone:
            day = time.strftime("%Y-%m-%d", time.localtime(content.used_s))
            print(f"  {content.digest[:12]}  {_size([content]):>9}  {day}  {content.names}")
    verb = "would remove" if dry_run else "removed"
    print(
        f"{verb} {len(found.gone)} contents ({_size(found.gone)}), {len(found.records)} records, "
        f"{len(found.stale)} leftovers"
    )
    everything = [content for content, _ in found.kept]
    print(f"kept {len(everything)} contents ({_size(everything)})")
    reasons = sorted({reason for _, who in found.kept for reason in who})
    for reason in reasons:
        of_it = [content for content, who in found.kept if reason in who]
        print(f"  {reason}: {len(of_it)} ({_size(of_it)})")
    if sum(content.size for content in everything) > keep_gb * GB:
        print(f"What is needed takes more than --keep-gb {keep_gb:g}.")


def _size(of: list[Content]) -> str:
    size = sum(content.size for content in of)
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
