"""What was collected: one Parquet file a day and part, `<part>/<day>.parquet`.

Columns: moment (String, ISO 8601 in UTC, or a day) and document (String, JSON with sorted keys);
sorted, each document once. The file's metadata says whether the day is settled: fetched so
late that no device syncs into it any more. A day with nothing has a file without rows. So the
folder alone says what is missing, and its bytes depend on the service's answers alone. Documents
without a sound day lie in `<part>/undated.parquet`, as they came: no table is made of them.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from tasks.core import store
from tasks.core.counting import counted
from tasks.core.errors import DataError

SCHEMA = {"moment": pl.String, "document": pl.String}
SETTLED = "settled"
TIME = "time"
SUFFIX = ".parquet"
UNDATED = f"undated{SUFFIX}"
WRITTEN = json.JSONEncoder(sort_keys=True, ensure_ascii=False)


class Written(NamedTuple):
    """A day's documents, how many came more than once, and whether old ones stayed."""

    documents: int
    repeated: int
    kept: bool


def write(folder: Path, day: date, documents: Iterable[tuple[str, dict]], settled: bool) -> Written:
    """Write a day's file, whole or not at all.

    Old documents stay where the service has nothing for the day any more: what was there once is
    not lost to an answer that may be a mistake.
    """
    texts = [(moment, _text(document)) for moment, document in documents]
    rows = set(texts)
    target = folder / f"{day}{SUFFIX}"
    frame = pl.DataFrame(sorted(rows), schema=SCHEMA, orient="row")
    kept = False
    if not rows and (old := _read(target)) is not None and len(old):
        frame, kept = old, True
    _put(frame, target, {SETTLED: str(settled).lower()})
    return Written(len(frame), len(texts) - len(rows), kept)


def set_aside(folder: Path, documents: Iterable[dict]) -> None:
    """Put documents without a sound day beside the days', each once, to those that are there."""
    target = folder / UNDATED
    old = _read(target) if target.is_file() else None
    texts = {_text(document) for document in documents}
    texts |= set(old["document"]) if old is not None else set()
    frame = pl.DataFrame([("", text) for text in sorted(texts)], schema=SCHEMA, orient="row")
    _put(frame, target, {})


def notes(root: Path, parts: Iterable[str]) -> list[str]:
    """Return what is to be told of documents that were set aside, a line a part."""
    files = {part: root / part / UNDATED for part in parts}
    counts = {part: pl.read_parquet(f).height for part, f in files.items() if f.is_file()}
    return [
        f"{part}: {counted(count, 'document')} without a sound day set aside ({part}/{UNDATED})"
        for part, count in counts.items()
    ]


def sweep(root: Path) -> None:
    """Remove what killed processes left half-written; only for who collects there alone."""
    for path in root.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def known(folder: Path) -> dict[date, bool]:
    """Return the days that have a file, and whether each is settled; damaged ones are left out."""
    found: dict[date, bool] = {}
    for path in sorted(folder.glob(f"[0-9]*{SUFFIX}")):
        try:
            metadata = pl.read_parquet_metadata(path)
            found[date.fromisoformat(path.stem)] = metadata.get(SETTLED) == "true"
        except (pl.exceptions.PolarsError, OSError, ValueError):
            continue
    return found


def by_day(folder: Path) -> Iterator[tuple[date, pl.DataFrame]]:
    """Yield the days of a part in order, each with its documents (moment, document).

    A file at a time, so that no more than a day is in memory, however much was collected.

    Raises:
        DataError: a file is damaged.
    """
    for path in sorted(folder.glob(f"[0-9]*{SUFFIX}")):
        frame = _read(path)
        if frame is None:
            raise DataError(
                f"{folder.name}/{path.name}: damaged, or not of `temper collect`; remove it and "
                "collect again, or `dvc checkout`"
            )
        yield date.fromisoformat(path.stem), frame


def documents(folder: Path) -> Iterator[tuple[date, str, dict[str, Any]]]:
    """Yield the documents of a part with their days and moments, in order.

    Raises:
        DataError: a file is damaged.
    """
    for day, frame in by_day(folder):
        for moment, text in frame.iter_rows():
            yield day, moment, json.loads(text)


def table(
    parts: dict[str, Path], group: str, numbers: list[str], row: Callable[[str, dict], Sequence]
) -> pl.DataFrame:
    """Return a row a document: `group` (String, the part), time (Datetime) and those of the numbers
    (Float64) that any document has.

    `row`: from a moment and a document to the moment and the numbers. A day at a time.

    Raises:
        DataError: a file is damaged.
    """
    schema = {TIME: pl.String, **dict.fromkeys(numbers, pl.Float64)}
    time = pl.col(TIME).str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ")
    frames = [pl.DataFrame(schema={group: pl.String, TIME: pl.Datetime})]
    for name, folder in parts.items():
        for _, frame in by_day(folder):
            rows = [row(moment, json.loads(text)) for moment, text in frame.iter_rows()]
            made = pl.DataFrame(rows, schema=schema, orient="row")
            measured = [n for n in numbers if made[n].null_count() < len(made)]
            frames.append(made.select(pl.lit(name).alias(group), time, *measured))
    whole = pl.concat(frames, how="diagonal")
    return whole.select(group, TIME, *(n for n in numbers if n in whole.columns))


def missing(first: date, last: date, present: dict[date, bool]) -> list[date]:
    """Return the days from first to last that have no settled file."""
    count = (last - first).days + 1
    days = (first + timedelta(days=index) for index in range(max(count, 0)))
    return [day for day in days if not present.get(day, False)]


def windows(days: list[date], most: int) -> list[list[date]]:
    """Return the days in order, in groups that span `most` days at most: each is asked for at once.

    Days between them that are settled already come along: a question more takes longer than they.
    """
    found: list[list[date]] = []
    for day in days:
        if found and (day - found[-1][0]).days < most:
            found[-1].append(day)
        else:
            found.append([day])
    return found


def _text(document: dict) -> str:
    text = WRITTEN.encode(document)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character
        return json.dumps(document, sort_keys=True)
    return text


def _put(frame: pl.DataFrame, target: Path, metadata: dict[str, str]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    copy = target.with_name(f".{target.stem}.{os.getpid()}.tmp")
    frame.write_parquet(copy, metadata=metadata)
    if store.same_file(copy, target):
        copy.unlink()
    else:
        os.replace(copy, target)


def _read(path: Path) -> pl.DataFrame | None:
    try:
        frame = pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError):
        return None
    return frame if dict(frame.schema) == SCHEMA else None
