"""What goes wrong between a sensor and its table, and a record of every place where it did.

A cell has one fault at most: Fahrenheit before stuck before sentinels before spikes. Rows that are
lost to an outage hold no faults; a row that is sent twice is counted as such, its cells once.
"""

from typing import Any, NamedTuple

import numpy as np

from tasks.ingest.simulated.days import Records, stream
from tasks.ingest.simulated.params import Dirt, Params
from tasks.ingest.simulated.sensors import SENSORS, SYNC, TEMPERATURE, Chunk

CELL_KINDS = ("fahrenheit", "stuck", "sentinels", "spikes")
ROW_KINDS = ("gaps", "duplicates", "conflicts", "clock_shifts")
KINDS = (*CELL_KINDS, *ROW_KINDS, "unworn")
SHIFTS_S = (-7200, -3600, 3600, 7200)
OUTAGE_H = (0.25, 12.0)
STUCK_H = (3.0, 24.0)
CONFLICT = 0.1  # of a spike: how far the second value of a row is from its first


class DirtyDays(NamedTuple):
    """What is wrong with whole days of a home; all (day + 1,) from the day before the first."""

    fahrenheit: np.ndarray  # bool
    shift_s: np.ndarray  # int64: how far the clock is off
    unworn: np.ndarray  # bool


class Rows(NamedTuple):
    """A chunk as its table shows it, in the order in which it came in."""

    stamp: np.ndarray  # (row,) int64, seconds
    values: np.ndarray  # (row, SENSORS) float32, NaN for nothing
    ring: np.ndarray  # (row, RING) float32, NaN but in one row a day


def dirty_days(params: Params, home: int) -> DirtyDays:
    """Return the days of a home that are wrong as a whole."""
    random, dirt, count = stream(params, home, 3), params.dirt, params.nights + 1
    shifted = random.random(count) < dirt.clock_shifts
    return DirtyDays(
        fahrenheit=random.random(count) < dirt.fahrenheit,
        shift_s=shifted * random.choice(SHIFTS_S, count),
        unworn=random.random(count) < dirt.unworn,
    )


def spoil(
    params: Params, home: int, clean: Chunk, ring: Records, wrong: DirtyDays
) -> tuple[Rows, list[dict[str, Any]]]:
    """Return the rows of a chunk as they come in, and what was done to them.

    Each record: kind, home, sensor (None: of rows), first and last (true UTC seconds of the run),
    count (cells or rows of the run; for gaps and unworn, of what the table lacks). The ring knows
    nothing of the hub's troubles: in an outage, or while the clock is off, its record has a row
    without the sensors.
    """
    dirt, day = params.dirt, clean.day + 1
    random = stream(params, home, 4, int(clean.utc[0]))
    values, shift = clean.values.copy(), wrong.shift_s[day]
    lost = np.zeros(len(values), bool)
    for begins, ends in _spells(random, dirt.gaps, OUTAGE_H, len(values), params.period_min):
        lost[begins:ends] = True
    synced = syncs(clean)
    worn = synced[~wrong.unworn[day[synced]]]
    alone = np.zeros(len(values), bool)  # the ring's record, right in time, without the sensors
    alone[worn] = lost[worn] | (shift[worn] != 0)
    code = _faults(random, dirt, values, wrong.fahrenheit[day], params.period_min)
    code[lost | alone] = 0
    values[alone] = np.nan
    cells = np.full((len(values), ring.values.shape[1]), np.nan, np.float32)
    cells[worn] = ring.values[clean.day[worn]]
    kept = ~lost | alone
    log = _runs(code, clean.utc, home)
    log += _of_rows("gaps", lost, clean.utc, home)
    log += _of_rows("clock_shifts", kept & ~alone & (shift != 0), clean.utc, home)
    log += [_record("unworn", home, clean.utc[i], 1) for i in np.setdiff1d(synced, worn)]

    shown = (clean.local if params.stamps == "local" else clean.utc) + np.where(alone, 0, shift)
    rows = Rows(shown[kept], values[kept], cells[kept])
    again, sent = _sent_again(random, dirt, rows, clean.utc[kept], alone[kept], home)
    return Rows(*(np.concatenate(pair) for pair in zip(rows, again, strict=True))), log + sent


def syncs(clean: Chunk) -> np.ndarray:
    """Return the rows of the ring's records: a day's first one at eight or later, by the wall."""
    late = np.flatnonzero(clean.local % 86_400 >= SYNC * 3600)
    days, first = np.unique(clean.day[late], return_index=True)
    return late[first[days > clean.day[0]]]  # the first day of a chunk begins at noon


def _spells(
    random: np.random.Generator, share: float, hours: tuple[float, float], count: int, period: int
) -> list[tuple[int, int]]:
    """Return (begins, ends) of spells of rows, about `share` of `count` in all.

    Their lengths lie evenly in the logarithm, between `hours` of rows every `period` minutes.
    """
    shortest, longest = (h * 60 / period for h in hours)
    mean = (longest - shortest) / np.log(longest / shortest)
    number = random.poisson(share * count / mean)
    begins = random.integers(0, count, number)
    lengths = np.exp(random.uniform(np.log(shortest), np.log(longest), number)).astype(int)
    return list(zip(begins.tolist(), (begins + np.maximum(lengths, 1)).tolist(), strict=True))


def _faults(
    random: np.random.Generator, dirt: Dirt, values: np.ndarray, fahrenheit: np.ndarray, period: int
) -> np.ndarray:
    """Return (row, SENSORS) int8: 0 or 1 + the kind of each cell's fault; `values` get them."""
    code = np.zeros(values.shape, np.int8)
    code[fahrenheit, TEMPERATURE] = 1
    count = len(values)
    for column, sensor in enumerate(SENSORS):
        shown, faults = values[:, column], code[:, column]
        for begins, ends in _spells(random, dirt.stuck, STUCK_H, count, period):
            held = slice(begins, ends)
            free = faults[held] == 0
            shown[held][free] = shown[begins]
            faults[held][free] = 2
        drawn = random.random(count)
        dead = (drawn < dirt.sentinels) & (faults == 0)
        shown[dead], faults[dead] = sensor.sentinel, 3
        drawn = random.random(count)
        jumps = (drawn < dirt.spikes) & (faults == 0)
        far = sensor.spike * random.uniform(0.8, 1.2, int(jumps.sum()))
        shown[jumps] = np.round(shown[jumps] + far, sensor.digits)
        faults[jumps] = 4
    degrees = values[fahrenheit, TEMPERATURE]
    values[fahrenheit, TEMPERATURE] = np.round(degrees * 1.8 + 32, SENSORS[TEMPERATURE].digits)
    return code


def _sent_again(
    random: np.random.Generator,
    dirt: Dirt,
    rows: Rows,
    utc: np.ndarray,
    alone: np.ndarray,
    home: int,
) -> tuple[Rows, list[dict[str, Any]]]:
    """Return copies of rows, some with one value off: they come in when the chunk is over."""
    drawn = random.random(len(utc))
    usable = ~alone & np.isnan(rows.ring[:, 0])
    same = np.flatnonzero(usable & (drawn < dirt.duplicates))
    other = np.flatnonzero(usable & (drawn > 1 - dirt.conflicts))
    log = [_record("duplicates", home, utc[i], 1) for i in same]
    column = random.integers(0, len(SENSORS), len(other))
    chosen = np.concatenate([same, other])
    again = Rows(rows.stamp[chosen], rows.values[chosen], rows.ring[chosen])
    off = np.array([CONFLICT * sensor.spike for sensor in SENSORS], np.float32)
    place = np.arange(len(same), len(chosen))
    again.values[place, column] = np.round(again.values[place, column] + off[column], 2)
    log += [
        _record("conflicts", home, utc[i], 1, SENSORS[c].name)
        for i, c in zip(other, column, strict=True)
    ]
    return again, log


def _runs(code: np.ndarray, utc: np.ndarray, home: int) -> list[dict[str, Any]]:
    found = []
    for column, sensor in enumerate(SENSORS):
        kinds = code[:, column]
        for kind in range(1, len(CELL_KINDS) + 1):
            found += _of_rows(CELL_KINDS[kind - 1], kinds == kind, utc, home, sensor.name)
    return found


def _of_rows(
    kind: str, hit: np.ndarray, utc: np.ndarray, home: int, sensor: str | None = None
) -> list[dict[str, Any]]:
    """Return one record for each run of hit rows."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], hit, [False]]).astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    return [
        _record(kind, home, utc[a], int(b - a), sensor, utc[b - 1])
        for a, b in zip(begins, ends, strict=True)
    ]


def _record(
    kind: str, home: int, first: Any, count: int, sensor: str | None = None, last: Any = None
) -> dict[str, Any]:
    return {
        "kind": kind,
        "home": home,
        "sensor": sensor,
        "first": int(first),
        "last": int(first if last is None else last),
        "count": count,
    }
