"""The rows of a home's sensors, as they would be if nothing ever went wrong.

A night is 22:00 to 07:00 by the clock on the wall. Over its rows the means of temperature, CO2,
PM2.5, VOC and humidity are those planted in `days`, to within the sensor's resolution.
"""

from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from tasks.ingest.simulated.days import Days, correlated, stream
from tasks.ingest.simulated.params import Params

CHUNK_ROWS = 200_000  # about 25 MB at work; part of what the bytes depend on
EVENING, MORNING, SYNC = 22, 7, 8  # hours of the day: the night's ends, the ring's record
DAY_S = 86_400


class Sensor(NamedTuple):
    """A column of the table."""

    name: str
    unit: str
    digits: int  # of its resolution
    spike: float  # how far off a spike is
    sentinel: float  # what it says instead of nothing


SENSORS = (
    Sensor("temperature_c", "°C", 2, 14.0, -127.0),
    Sensor("humidity_pct", "%", 1, 35.0, -999.0),
    Sensor("co2_ppm", "ppm", 0, 2600.0, 65535.0),
    Sensor("pm25", "ug/m3", 1, 180.0, -999.0),
    Sensor("voc_ppb", "ppb", 0, 2500.0, 65535.0),
    Sensor("noise_dba", "dBA", 1, 45.0, -999.0),
    Sensor("light_lux", "lux", 1, 4000.0, -999.0),
)
TEMPERATURE = 0


class Chunk(NamedTuple):
    """A stretch of rows of one home, from a noon to a noon; times in seconds."""

    utc: np.ndarray  # (row,) int64, since 1970
    local: np.ndarray  # (row,) int64: what the clock on the wall shows, as if it were UTC
    day: np.ndarray  # (row,) int64, of the wall's calendar; 0 is the first morning
    values: np.ndarray  # (row, SENSORS) float32


def stretches(params: Params) -> list[tuple[int, int]]:
    """Return the chunks as days (first, last), each from the noon before its first to its last."""
    a_chunk = max(1, CHUNK_ROWS * params.period_min // 1440)
    return [(k, min(k + a_chunk, params.nights) - 1) for k in range(0, params.nights, a_chunk)]


def clock(params: Params, first: int, last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (utc, local, day) of the rows from the noon before day `first` to that of `last`."""
    import polars as pl

    zone = ZoneInfo(params.zone)
    noon = datetime.combine(params.start, datetime.min.time(), zone) + timedelta(hours=12)
    ends = [int((noon + timedelta(days=k)).timestamp()) for k in (first - 1, last)]
    utc = np.arange(ends[0], ends[1], params.period_min * 60)
    shown = pl.from_epoch(pl.Series(utc), "s").dt.replace_time_zone("UTC")
    shown = shown.dt.convert_time_zone(params.zone).dt.replace_time_zone(None)
    local = shown.dt.epoch("s").to_numpy()
    start = int(datetime.combine(params.start, datetime.min.time(), ZoneInfo("UTC")).timestamp())
    return utc, local, (local - start) // DAY_S


def chunk(params: Params, home: int, lived: Days, stretch: tuple[int, int]) -> Chunk:
    """Return the clean rows of a home's stretch of days."""
    first, last = stretch
    utc, local, day = clock(params, first, last)
    random = stream(params, home, 2, first)
    hour = local % DAY_S / 3600
    ends_on = day + (hour >= EVENING)  # the day whose night a row is in, or next to
    asleep = (hour >= EVENING) | (hour < MORNING)
    into = np.where(hour >= EVENING, hour - EVENING, hour + 24 - EVENING)  # hours since 22:00
    night = np.clip(ends_on, first, last) - first  # of this stretch, from 0
    ours = slice(first + 1, last + 2)
    levels = lived._replace(**{name: getattr(lived, name)[ours] for name in Days._fields[:-1]})
    middle = np.arange(first, last + 1) * DAY_S + 2.5 * 3600
    seconds = day * DAY_S + local % DAY_S
    factor = float(np.exp(-params.period_min / 60))  # noise that lasts about an hour

    def wobble() -> np.ndarray:
        return correlated(random, len(utc), factor)

    def between(planted: np.ndarray) -> np.ndarray:
        return np.interp(seconds, middle, planted)

    awake = np.clip((hour - MORNING) / (EVENING - MORNING), 0, 1)  # 0 at 7:00, 1 at 22:00
    bump = np.where(asleep, 0, np.sin(np.pi * awake))
    co2 = _co2(levels.co2[night], into, hour, asleep)
    light = _light(levels.season[night], hour) * np.exp(0.3 * wobble())
    quiet = np.where(asleep, 33.0, 44 + 3 * np.sin(hour))
    dinner = np.where((hour >= 18) & (hour < 20), 1.6, 1.0)
    columns = [
        between(levels.temperature) + 1.2 * bump + 0.15 * wobble(),
        between(levels.humidity) - 3 * bump + 0.8 * wobble(),
        co2 + 25 * wobble(),
        between(levels.pm25) * dinner * np.exp(0.2 * wobble()),
        between(levels.voc) * dinner * np.exp(0.15 * wobble()),
        np.where(_loud(random, into, night), np.maximum(levels.peak[night] - 1, 33), quiet)
        + wobble(),  # which adds about 1 dB to a peak
        np.maximum(0, np.where(asleep, 0.5, light) + 0.15 * wobble()),
    ]
    planted = [levels.temperature, levels.humidity, levels.co2, levels.pm25, levels.voc]
    for values, means in zip(columns, planted, strict=False):
        _hold_mean(values, means, night, asleep)
    shown = [np.round(v, s.digits) for v, s in zip(columns, SENSORS, strict=True)]
    return Chunk(utc, local, day, np.stack(shown, axis=1).astype(np.float32))


def _co2(level: np.ndarray, into: np.ndarray, hour: np.ndarray, asleep: np.ndarray) -> np.ndarray:
    """Return ppm: it rises towards a plateau by night, and leaves by the window in the morning."""
    rise = 1 - np.exp(-(into + 0.3) / 1.2)
    night = 480 + (level - 480) * rise / 0.9
    evening = np.where(hour >= 18, 130 * (hour - 18) / 4, 0)
    day = 460 + evening + 0.7 * (level - 460) * np.exp(-np.maximum(0, hour - MORNING) / 0.8)
    return np.where(asleep, night, day)


def _light(season: np.ndarray, hour: np.ndarray) -> np.ndarray:
    """Return lux while someone is up: the sun by day, a lamp from six on."""
    sun = np.maximum(0, np.sin(np.pi * (hour - 6) / 14)) * (300 - 150 * season)
    return sun + np.where(hour >= 18, 120.0, 0.0)


def _loud(random: np.random.Generator, into: np.ndarray, night: np.ndarray) -> np.ndarray:
    """Return (row,) bool: the one loud spell of each night, of half an hour."""
    begins = random.uniform(0.5, 7.5, night.max() + 1)[night]
    return (into >= begins) & (into < begins + 0.6)


def _hold_mean(
    values: np.ndarray, levels: np.ndarray, night: np.ndarray, asleep: np.ndarray
) -> None:
    """Scale the rows of each night, in place, so that their mean is the planted level."""
    rows = night[asleep]
    means = np.bincount(rows, values[asleep]) / np.bincount(rows)
    values[asleep] *= (levels / means)[rows]
