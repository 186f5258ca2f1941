"""What was collected: one Parquet file a day and part, `<part>/<day>.parquet`.

Columns: moment (String, ISO 8601 in UTC, or a day) and document (String, JSON with sorted keys);
sorted, each document once. The file's metadata says whether the day is settled: fetched so
late that no device syncs into it any more. A day with nothing has a file without rows. So the
folder alone says what is missing, and its bytes depend on the service's answers alone.
"""

import json
import os
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from tasks.core import store
from tasks.core.errors import DataError

SCHEMA = {"moment": pl.String, "document": pl.String}
SETTLED = "settled"
SUFFIX = ".parquet"


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
    texts = [
        (moment, json.dumps(document, sort_keys=True, ensure_ascii=False))
        for moment, document in documents
    ]
    rows = set(texts)
    target = folder / f"{day}{SUFFIX}"
    frame = pl.DataFrame(sorted(rows), schema=SCHEMA, orient="row")
    kept = False
    if not rows and (old := _read(target)) is not None and len(old):
        frame, kept = old, True
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / f".{day}.{os.getpid()}.tmp"
    frame.write_parquet(copy, metadata={SETTLED: str(settled).lower()})
    if store.same_file(copy, target):
        copy.unlink()
    else:
        os.replace(copy, target)
    return Written(len(frame), len(texts) - len(rows), kept)


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


def read(folder: Path) -> pl.DataFrame:
    """Return all days of a part: day (Date), moment, document; in order.

    Raises:
        DataError: a file is damaged.
    """
    parts = [pl.DataFrame(schema={"day": pl.Date, **SCHEMA})]
    for path in sorted(folder.glob(f"[0-9]*{SUFFIX}")):
        frame = _read(path)
        if frame is None:
            raise DataError(
                f"{folder.name}/{path.name}: damaged, or not of `temper collect`; remove it and "
                "collect again, or `dvc checkout`"
            )
        parts.append(frame.select(pl.lit(date.fromisoformat(path.stem)).alias("day"), *SCHEMA))
    return pl.concat(parts)


def documents(folder: Path) -> Iterator[tuple[date, str, dict[str, Any]]]:
    """Yield the documents of a part with their days and moments, in order.

    Raises:
        DataError: a file is damaged.
    """
    for day, moment, text in read(folder).iter_rows():
        yield day, moment, json.loads(text)


def missing(first: date, last: date, present: dict[date, bool]) -> list[date]:
    """Return the days from first to last that have no settled file."""
    count = (last - first).days + 1
    days = (first + timedelta(days=index) for index in range(max(count, 0)))
    return [day for day in days if not present.get(day, False)]


def windows(days: list[date], most: int) -> list[tuple[date, date]]:
    """Return runs of consecutive days, as (first, last), each of `most` days at most."""
    found: list[tuple[date, date]] = []
    for day in days:
        if found and (day - found[-1][1]).days == 1 and (day - found[-1][0]).days < most:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def _read(path: Path) -> pl.DataFrame | None:
    try:
        frame = pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError):
        return None
    return frame if dict(frame.schema) == SCHEMA else None
