"""Strings to dates and times: which format a column of them is written in."""

import polars as pl

from tasks.core.schema import Type
from tasks.ingest.options import ReadOptions

SAMPLE = 500
DATES = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y")
EITHER = (("%m/%d/%Y", "%d/%m/%Y"), ("%m-%d-%Y", "%d-%m-%Y"))
TIMES = ("", " %H:%M", " %H:%M:%S%.f", "T%H:%M", "T%H:%M:%S%.f", " %I:%M:%S %p", " %I:%M %p")
ZONED = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z")


def moments(
    values: pl.Series, count: int, wanted: Type | None, options: ReadOptions
) -> tuple[tuple[pl.Series, str] | None, str | None]:
    """Return the values as Datetime in microseconds with their format, or None and why not.

    The first values choose the format; `count` is how many there are. Two-digit years are no dates,
    and days and months that could be either way round are not guessed.
    """
    sample = values.drop_nulls().head(SAMPLE)
    need = options.type_share * len(sample) if wanted is None else 1
    dated = sample.str.contains(r"^.{0,4}\d+[-/. ,]|^[A-Z][a-z]{2,8} \d")
    if wanted is None and 2 * dated.sum() < len(sample):
        return None, None
    best, best_count = None, 0
    for form in ZONED + tuple(d + t for d in DATES for t in TIMES):
        parsed = _count(_moments(sample, form))
        if parsed >= need and parsed > best_count:
            best, best_count = form, parsed
        if best_count == len(sample):
            break
    note = None
    if best_count < len(sample):
        form, note = _either(values, sample, need, options)
        best = form or best
    if best is None:
        return None, note
    found = _moments(values, best)
    if wanted is None and _count(found) < options.type_share * count:
        return None, note
    return (found, best + (", turned to UTC" if best in ZONED else "")), None


def _either(
    values: pl.Series, sample: pl.Series, need: float, options: ReadOptions
) -> tuple[str | None, str | None]:
    """Return the format of dates like 4/12/2016 whose order the values (or params) decide."""
    for pair in EITHER:
        for time in TIMES:
            month, day = (_count(_moments(sample, f"{form}{time}")) for form in pair)
            if max(month, day) < max(need, 1):
                continue
            if options.day_first is not None:
                return pair[int(options.day_first)] + time, None
            month, day = (_count(_moments(values, f"{form}{time}")) for form in pair)
            if month != day:
                return pair[int(day > month)] + time, None
            return None, (
                f"dates like {sample[0]!r} could begin with the day or the month: kept as text; "
                "state ingest.options.day_first"
            )
    return None, None


def _moments(values: pl.Series, form: str) -> pl.Series:
    found = values.str.to_datetime(form, time_unit="us", strict=False)
    four = found.dt.year().is_between(1000, 9999).fill_null(False)  # 31.01.24 is not the year 24
    found = found.zip_with(four, pl.Series([None], dtype=found.dtype))
    if form in ZONED:
        found = found.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return found


def _count(values: pl.Series) -> int:
    return len(values) - values.null_count()
