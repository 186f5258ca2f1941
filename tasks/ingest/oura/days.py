"""Oura's documents as a table of one row a day.

A day may have several documents of a kind. Of a daily summary the newest counts. Of `sleep` the
longest `long_sleep` is the day's main sleep, alone in the columns `main_sleep_*`; the others are
counted and summed in columns of their own. Whatever was chosen, left out or not known is told.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Any

import polars as pl

from tasks.core.errors import DataError
from tasks.ingest.oura import fields
from tasks.ingest.oura.events import heart_rates, sessions, workouts
from tasks.ingest.oura.values import instant, number
from tasks.ingest.sensors.made import Made

DAY = "day"
MAIN = "long_sleep"
DELETED = "deleted"
Documents = dict[str, list[tuple[date, dict[str, Any]]]]  # endpoint: its documents with their days


def table(documents: Documents) -> Made:
    """Return one row a day on which there is anything, in order of the days.

    Raises:
        DataError: there is no document.
    """
    rows: defaultdict[date, dict[str, Any]] = defaultdict(dict)
    columns: dict[str, str | None] = {}
    notes: list[str] = []
    for endpoint in fields.ENDPOINTS:
        if endpoint not in documents:
            continue
        found = documents[endpoint]
        if endpoint in fields.DAILY:
            made, units = _summaries(endpoint, found, notes)
        elif endpoint == "sleep":
            made, units = _sleeps(found, notes)
        else:
            each = {"heartrate": heart_rates, "session": sessions, "workout": workouts}[endpoint]
            made, units = each(found, notes)
        columns |= units
        for day, values in made.items():
            rows[day] |= values
    if not rows:
        raise DataError(
            "no document of a day. Does ingest.options.endpoints name what the ring records, and "
            "is ingest.options.start before today?"
        )
    days = sorted(rows)
    series = [
        pl.Series(name, [rows[day].get(name) for day in days], dtype=pl.Float64, strict=False)
        for name in columns
    ]
    frame = pl.DataFrame([pl.Series(DAY, days, dtype=pl.Date).cast(pl.Datetime("us")), *series])
    return Made(frame, {name: unit for name, unit in columns.items() if unit}, notes)


def _summaries(
    endpoint: str, found: Iterable[tuple[date, dict]], notes: list[str]
) -> tuple[dict[date, dict[str, Any]], dict[str, str | None]]:
    """Return the values of a daily summary by day, and the units of their columns."""
    known, prefix, contributors = fields.DAILY[endpoint]
    by_day: defaultdict[date, list[dict]] = defaultdict(list)
    for day, document in found:
        by_day[day].append(document)
    rows: dict[date, dict[str, Any]] = {}
    unknown: Counter[str] = Counter()
    without = 0
    for day, several in by_day.items():
        newest = max(several, key=lambda each: (instant(each.get("timestamp")), str(each)))
        row = {name: number(newest.get(field)) for field, (name, _) in known.items()}
        parts = newest.get("contributors")
        without += not isinstance(parts, dict)
        parts = parts if isinstance(parts, dict) else {}
        row |= {prefix + name: number(parts.get(name)) for name in contributors}
        unknown.update(f"contributors.{name}" for name in parts if name not in contributors)
        unknown.update(_unknown(newest, known, endpoint))
        rows[day] = row
    doubled = [str(day) for day, several in sorted(by_day.items()) if len(several) > 1]
    if doubled:
        notes.append(
            f"{endpoint}: {len(doubled)} days have several documents; the newest of each counts, "
            f"the others are left out: {_some(doubled)}"
        )
    if without:
        notes.append(f"{endpoint}: {without} days have no contributors (null): they are missing")
    _tell(endpoint, unknown, notes)
    units = dict(known.values())
    return rows, units | {prefix + name: None for name in contributors}


def _sleeps(
    found: Iterable[tuple[date, dict]], notes: list[str]
) -> tuple[dict[date, dict[str, Any]], dict[str, str | None]]:
    """Return the values of each day's main sleep and the sums of its others, and the units."""
    by_day: defaultdict[date, list[dict]] = defaultdict(list)
    unknown: Counter[str] = Counter()
    deleted = 0
    for day, document in found:
        unknown.update(_unknown(document, fields.SLEEP, "sleep"))
        if document.get("type") == DELETED:
            deleted += 1
        else:
            by_day[day].append(document)
    rows: dict[date, dict[str, Any]] = {}
    lacking, several = [], []
    for day, all_ in sorted(by_day.items()):
        long = [each for each in all_ if each.get("type") == MAIN]
        main = max(long, key=_length) if long else None
        others = [each for each in all_ if each is not main]
        rows[day] = _main(day, main) | _others(others)
        if main is None:
            lacking.append(str(day))
        if others:
            several.append(f"{day} ({', '.join(str(each.get('type')) for each in others)})")
    if several:
        notes.append(
            f"sleep: {len(several)} days have other sleeps beside the main one ({MAIN}, the "
            f"longest): counted and summed in other_sleep_*, mixed into nothing: {_some(several)}"
        )
    if lacking:
        notes.append(f"sleep: {len(lacking)} days have no {MAIN}: {_some(lacking)}")
    if deleted:
        notes.append(f"sleep: {deleted} documents of the type {DELETED!r} left out")
    _tell("sleep", unknown, notes)
    units: dict[str, str | None] = dict(fields.SLEEP.values())
    units |= {"main_sleep_start_h": "h", "main_sleep_end_h": "h", "main_sleep_utc_offset_h": "h"}
    units |= {"other_sleep_count": None, "other_sleep_total_s": "s", "other_sleep_in_bed_s": "s"}
    return rows, units


def _main(day: date, main: dict | None) -> dict[str, float | None]:
    """Return the columns of a main sleep; the clock's hours count from the day's local midnight."""
    if main is None:
        return {}
    row = {name: number(main.get(field)) for field, (name, _) in fields.SLEEP.items()}
    begin, end = _moment(main.get("bedtime_start")), _moment(main.get("bedtime_end"))
    midnight = datetime.combine(day, time())
    for name, moment in (("main_sleep_start_h", begin), ("main_sleep_end_h", end)):
        if moment is not None:
            row[name] = (moment.replace(tzinfo=None) - midnight).total_seconds() / 3600
    offset = end.utcoffset() if end is not None else None
    if offset is not None:
        row["main_sleep_utc_offset_h"] = offset.total_seconds() / 3600
    return row


def _others(others: list[dict]) -> dict[str, float]:
    return {
        "other_sleep_count": len(others),
        "other_sleep_total_s": sum(_length(each) for each in others),
        "other_sleep_in_bed_s": sum(number(each.get("time_in_bed")) or 0 for each in others),
    }


def _length(document: dict) -> float:
    return number(document.get("total_sleep_duration")) or 0


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text)  # type: ignore[arg-type] - a TypeError is caught
    except (TypeError, ValueError):
        return None


def _unknown(document: dict, known: fields.Fields, endpoint: str) -> list[str]:
    expected = fields.ALWAYS | fields.LEFT_OUT[endpoint]
    return [name for name in document if name not in known and name not in expected]


def _tell(endpoint: str, unknown: Counter[str], notes: list[str]) -> None:
    if unknown:
        words = ", ".join(f"{name} ({count})" for name, count in sorted(unknown.items()))
        notes.append(f"{endpoint}: not known here, and left out: {words}")


def _some(words: list[str]) -> str:
    return ", ".join(words[:8]) + (f" … ({len(words)} in all)" if len(words) > 8 else "")
