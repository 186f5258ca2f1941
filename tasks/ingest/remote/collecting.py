"""Collects one part: asks for the days that are missing, a window at a time, and keeps each day."""

from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from tasks.core.errors import DataError, ParamsError
from tasks.ingest.remote import days
from tasks.ingest.remote.client import Client


class Collected(NamedTuple):
    """What came of collecting a part: how many days and documents there were, how many documents
    came twice (kept once), and the days of which the service has nothing any more (kept too).
    """

    part: str
    days: int
    documents: int
    repeated: int
    kept: list[str]


def collect(module: ModuleType, params: Any, part: str, root: Path, today: date) -> Collected:
    """Fetch the days of a part that are missing or not settled, and write a file for each.

    Each window's files are written when all of its pages are there, so that what is on the disk is
    always whole days; a collection that was killed goes on with the days that lack.

    Raises:
        ParamsError: no first day is stated.
        CredentialsError, ServiceError, AnswerError: see the client.
    """
    if params.start is None:
        raise ParamsError("ingest.options.start: missing; the first day to collect, as 2026-01-31")
    folder = root / part
    last = params.end or today
    wanted = days.missing(params.start, last, days.known(folder))
    done = Collected(part, len(wanted), 0, 0, [])
    if not wanted:
        return done
    with Client(params, module.credentials(params)) as client:
        for begin, end in days.windows(wanted, module.WINDOW_DAYS):
            found: defaultdict[date, list[tuple[str, dict]]] = defaultdict(list)
            for day, moment, document in module.documents(client, params, part, begin, end):
                found[day].append((moment, document))
            for index in range((end - begin).days + 1):
                day = begin + timedelta(days=index)
                settled = day + timedelta(days=params.refetch_days) < today
                written = days.write(folder, day, found[day], settled)
                done = done._replace(
                    documents=done.documents + written.documents,
                    repeated=done.repeated + written.repeated,
                    kept=[*done.kept, *([str(day)] if written.kept else [])],
                )
    return done


def copy(source: Path | None, folder: Path) -> None:
    """Copy what was collected, as a dataset plugin's `fetch`.

    Raises:
        DataError: nothing was.
    """
    for path in files(source):
        target = folder / path.relative_to(_given(source))
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())


def digest(source: Path | None) -> str:
    """Return the sha256 of what was collected, as a dataset plugin's `origin`."""
    import hashlib

    from tasks.core.artifacts import file_digest

    root, total = _given(source), hashlib.sha256()
    for path in files(source):
        total.update(f"{path.relative_to(root).as_posix()}\0{file_digest(path)}\n".encode())
    return total.hexdigest()


def files(source: Path | None) -> list[Path]:
    """Return the files of what was collected, without those that are being written."""
    root = _given(source)
    found = [p for p in root.rglob("*") if p.is_file() and not p.name.startswith(".")]
    if not any(p.suffix == days.SUFFIX for p in found):
        raise DataError(f"{root.name}: nothing was collected yet: `temper collect {root.name}`")
    return sorted(found)


def _given(source: Path | None) -> Path:
    if source is None or not source.is_dir():
        raise DataError(
            "nothing was collected yet: `temper collect WORKLOAD`, or set ingest.path to a folder "
            "of an earlier collection"
        )
    return source
