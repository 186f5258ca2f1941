"""Heart rates, sessions and workouts: of each day how many, how long, how much.

A day without any has no value: nothing tells a day without workouts from one on which the ring lay
in a drawer.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any

from tasks.core.counting import counted
from tasks.ingest.remote.values import instant, number

Rows = tuple[dict[date, dict[str, Any]], dict[str, str | None]]
Found = Iterable[tuple[date, dict]]


def heart_rates(found: Found, notes: list[str]) -> Rows:
    """Return each day's heart rates in short; their days are UTC's, as their times are."""
    rows: dict[date, dict[str, Any]] = {}
    lost = 0
    for day, pairs in groupby(found, key=itemgetter(0)):
        every = [number(document.get("bpm")) for _, document in pairs]
        rates = [rate for rate in every if rate is not None]
        lost += len(every) - len(rates)
        if rates:
            rows[day] = {
                "heart_rate_samples": len(rates),
                "heart_rate_mean_bpm": sum(rates) / len(rates),
                "heart_rate_min_bpm": min(rates),
                "heart_rate_max_bpm": max(rates),
            }
    if lost:
        notes.append(f"heartrate: {counted(lost, 'document')} without a rate left out")
    if rows:
        notes.append("heartrate: days are those of UTC, as the times are")
    bpm = "1/min"
    units: dict[str, str | None] = {"heart_rate_samples": None, "heart_rate_mean_bpm": bpm}
    return rows, units | {"heart_rate_min_bpm": bpm, "heart_rate_max_bpm": bpm}


def sessions(found: Found, notes: list[str]) -> Rows:
    """Return each day's sessions (breathing, meditation, rest …): their count and their length."""
    rows = _sums(found, "session", {}, notes)
    return rows, {"session_count": None, "session_total_s": "s"}


def workouts(found: Found, notes: list[str]) -> Rows:
    """Return each day's workouts: count, length, energy and distance."""
    sums = {"calories": "workout_energy_kcal", "distance": "workout_distance_m"}
    rows = _sums(found, "workout", sums, notes)
    units: dict[str, str | None] = {"workout_count": None, "workout_total_s": "s"}
    return rows, units | {"workout_energy_kcal": "kcal", "workout_distance_m": "m"}


def _sums(
    found: Found, what: str, fields: dict[str, str], notes: list[str]
) -> dict[date, dict[str, Any]]:
    rows: defaultdict[date, dict[str, Any]] = defaultdict(dict)
    several = 0
    for day, document in found:
        row = rows[day]
        row[f"{what}_count"] = row.get(f"{what}_count", 0) + 1
        several += row[f"{what}_count"] == 2
        values = {f"{what}_total_s": _seconds(document)}
        values |= {name: number(document.get(field)) for field, name in fields.items()}
        for name, value in values.items():
            if value is not None:
                row[name] = row.get(name, 0.0) + value
    if several:
        notes.append(f"{what}: {several} days have several: they are summed, and counted")
    return dict(rows)


def _seconds(document: dict) -> float | None:
    """Return how long a session or workout lasted, None where its times are missing."""
    begin, end = instant(document.get("start_datetime")), instant(document.get("end_datetime"))
    return (end - begin).total_seconds() if begin and end else None
