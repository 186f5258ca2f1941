"""Collects one part: asks for the days that are missing, a window at a time, and keeps each day."""

from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from tasks.core.errors import DataError, ParamsError
from tasks.ingest.remote import days
from tasks.ingest.remote.client import Client
from tasks.ingest.remote.errors import AnswerError

FEW = 3  # so many documents without a sound day are a fault of theirs, more of the interface


class Collected(NamedTuple):
    """What came of collecting a part: how many days and documents there were, how many documents
    came twice (kept once), the days of which the service has nothing any more (kept too), and how
    many documents have no sound day (set aside).
    """

    part: str
    days: int
    documents: int
    repeated: int
    kept: list[str]
    undated: int = 0


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
        for window in days.windows(wanted, module.WINDOW_DAYS):
            found = _window(module, client, params, part, window)
            undated = [document for _, document in found.pop(None, [])]
            if undated:
                days.set_aside(folder, undated)
            for day in window:
                wait = params.refetch_days
                if not found[day]:
                    wait = max(wait, params.refetch_empty_days)
                settled = day + timedelta(days=wait) < today
                written = days.write(folder, day, found[day], settled)
                done = done._replace(
                    documents=done.documents + written.documents,
                    repeated=done.repeated + written.repeated,
                    kept=[*done.kept, *([str(day)] if written.kept else [])],
                )
            done = done._replace(undated=done.undated + len(undated))
    return done


def _window(
    module: ModuleType, client: Client, params: Any, part: str, window: list[date]
) -> defaultdict[date | None, list[tuple[str, dict]]]:
    """Return the documents of a window by day; under None those without a sound one.

    Raises:
        AnswerError: more than a few came, and none of them has a day.
    """
    found: defaultdict[date | None, list[tuple[str, dict]]] = defaultdict(list)
    for day, moment, document in module.documents(client, params, part, window[0], window[-1]):
        found[day].append((moment, document))
    undated = found.get(None, [])
    if len(undated) > FEW and len(found) == 1:
        raise AnswerError(
            f"{part}, {window[0]} to {window[-1]}: none of {len(undated)} documents has a time or "
            "day like 2026-01-31T08:00:00Z or 2026-01-31; the first has "
            f"{', '.join(sorted(undated[0][1]))[:120]}. Has the service's interface changed?"
        )
    return found


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
