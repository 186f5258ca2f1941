"""Oura's documents as a table of one row a day.

A day may have several documents of a kind. Of a daily summary the newest counts; of several of one
time the one with the most values, then the last as text, so that no order decides. Of `sleep` the
longest `long_sleep` is the day's main sleep, alone in the columns `main_sleep_*`; the others are
counted and summed in columns of their own. Whatever was chosen, left out or not known is told.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from itertools import groupby
from operator import itemgetter
from typing import Any

import polars as pl

from tasks.core.errors import DataError
from tasks.ingest.oura import fields
from tasks.ingest.oura.events import heart_rates, sessions, workouts
from tasks.ingest.remote.values import instant, number
from tasks.ingest.sensors.made import Made

DAY = "day"
MAIN = "long_sleep"
DELETED = "deleted"
Documents = dict[str, Iterable[tuple[date, dict[str, Any]]]]
"""By endpoint: its documents with their days, in order of the days; they are gone through once."""


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
    rows: dict[date, dict[str, Any]] = {}
    unknown: Counter[str] = Counter()
    odd: Counter[str] = Counter()
    without, doubled, tied = 0, [], []
    for day, several in _by_day(found):
        ranked = sorted(several, key=_rank)
        newest = ranked[-1]
        if len(ranked) > 1:
            same = _rank(ranked[-2])[0] == _rank(newest)[0]
            (tied if same else doubled).append(str(day))
        parts = newest.get("contributors")
        without += not isinstance(parts, dict)
        parts = parts if isinstance(parts, dict) else {}
        row = {name: _number(newest, field, odd) for field, (name, _) in known.items()}
        row |= {prefix + name: _number(parts, name, odd) for name in contributors}
        unknown.update(f"contributors.{name}" for name in parts if name not in contributors)
        unknown.update(_unknown(newest, known, endpoint))
        rows[day] = row
    several_of = f"{endpoint}: {{}} days have several documents"
    if doubled:
        notes.append(
            f"{several_of.format(len(doubled))}; the newest of each counts, the others are left "
            f"out: {_some(doubled)}"
        )
    if tied:
        notes.append(
            f"{several_of.format(len(tied))} of one time; of each that with the most values "
            f"counts, the others are left out: {_some(tied)}"
        )
    if without:
        notes.append(f"{endpoint}: {without} days have no contributors (null): they are missing")
    _tell(endpoint, unknown, odd, notes)
    units = dict(known.values())
    return rows, units | {prefix + name: None for name in contributors}


def _sleeps(
    found: Iterable[tuple[date, dict]], notes: list[str]
) -> tuple[dict[date, dict[str, Any]], dict[str, str | None]]:
    """Return the values of each day's main sleep and the sums of its others, and the units."""
    unknown: Counter[str] = Counter()
    odd: Counter[str] = Counter()
    deleted = 0
    rows: dict[date, dict[str, Any]] = {}
    lacking, several = [], []
    for day, every in _by_day(found):
        unknown.update(name for each in every for name in _unknown(each, fields.SLEEP, "sleep"))
        kept = [each for each in every if each.get("type") != DELETED]
        deleted += len(every) - len(kept)
        if not kept:
            continue
        long = [each for each in kept if each.get("type") == MAIN]
        main = max(long, key=lambda each: (_length(each), _content(each)), default=None)
        others = [each for each in kept if each is not main]
        rows[day] = _main(day, main, odd) | _others(others)
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
    _tell("sleep", unknown, odd, notes)
    units: dict[str, str | None] = dict(fields.SLEEP.values())
    units |= {"main_sleep_start_h": "h", "main_sleep_end_h": "h", "main_sleep_utc_offset_h": "h"}
    units |= {"other_sleep_count": None, "other_sleep_total_s": "s", "other_sleep_in_bed_s": "s"}
    return rows, units


def _main(day: date, main: dict | None, odd: Counter[str]) -> dict[str, float | None]:
    """Return the columns of a main sleep; the clock's hours count from the day's local midnight."""
    if main is None:
        return {}
    row = {name: _number(main, field, odd) for field, (name, _) in fields.SLEEP.items()}
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


def _by_day(found: Iterable[tuple[date, dict]]) -> Iterator[tuple[date, list[dict]]]:
    """Yield the documents of each day, one day at a time; of those that differ in ids alone one."""
    for day, pairs in groupby(found, key=itemgetter(0)):
        yield day, list({_content(document): document for _, document in pairs}.values())


def _content(document: dict) -> str:
    return json.dumps({k: v for k, v in document.items() if k != "id"}, sort_keys=True)


def _rank(document: dict) -> tuple[str, int, str]:
    """Return what the one that counts has most of: its time, then values, then its text."""
    time_ = instant(document.get("timestamp"))
    parts = document.get("contributors")
    values = [*document.values(), *(parts.values() if isinstance(parts, dict) else ())]
    filled = sum(value is not None for value in values)
    return str(time_ or ""), filled, _content(document)


def _number(document: dict, field: str, odd: Counter[str]) -> float | None:
    """Return a number, None where there is none; what stands there instead is counted."""
    value = document.get(field)
    found = number(value)
    odd[field] += value is not None and found is None
    return found


def _unknown(document: dict, known: fields.Fields, endpoint: str) -> list[str]:
    expected = fields.ALWAYS | fields.LEFT_OUT[endpoint]
    return [name for name in document if name not in known and name not in expected]


def _tell(endpoint: str, unknown: Counter[str], odd: Counter[str], notes: list[str]) -> None:
    for found, what in (
        (unknown, "not known here, and left out"),
        (odd, "no numbers, and taken for missing"),
    ):
        words = ", ".join(f"{name} ({count})" for name, count in sorted(found.items()) if count)
        if words:
            notes.append(f"{endpoint}: {what}: {words}")


def _some(words: list[str]) -> str:
    return ", ".join(words[:8]) + (f" … ({len(words)} in all)" if len(words) > 8 else "")
