"""The times of a column as microseconds, from text or Datetime."""

import re
from functools import cache
from typing import NamedTuple

import numpy as np
import polars as pl

from tasks.core.errors import DataError
from tasks.frames.compiled import kernels

FIELDS = "YmdHMS"
DIGITS = {"Y": 4}  # the others have two
DEFAULTS = (0, 1, 1, 0, 0, 0)  # year, month, day, hour, minute, second; none without a year
LAST_YEAR = 2200


class Layout(NamedTuple):
    """Where in a fixed-width text the parts of a time stand: see `kernels.parse`."""

    width: int
    fields: np.ndarray
    literals: np.ndarray


def micros(times: pl.Series, form: str | None, row: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the times, (row,) int64 in microseconds since 1970, and which are null.

    Args:
        times: text or Datetime.
        form: of text, as in strptime.
        row: number of the first one, for the message.

    Returns:
        The times, 0 where null; (row,) bool where null, None where none is.

    Raises:
        DataError: a text is no time of that format.
    """
    if form is not None:
        layout = _layout(form)
        if layout and not times.null_count():
            found = _fixed(times, layout)
            if found is not None:
                return found, None
        parsed = times.str.to_datetime(form, time_unit="us", strict=False, exact=True)
        wrong = (parsed.is_null() & times.is_not_null()).arg_true()
        if len(wrong):
            raise DataError(
                f"{times.name}, row {row + wrong[0] + 1}: expected a time like {form!r}, found "
                f"{times[wrong[0]][:40]!r}; {len(wrong)} such rows nearby. Change the format, or "
                "the rows."
            )
        times = parsed
    if times.dtype == pl.Date:
        times = times.cast(pl.Datetime("us"))
    numbers = times.dt.cast_time_unit("us")
    null = numbers.is_null().to_numpy() if numbers.null_count() else None
    return numbers.to_physical().fill_null(0).to_numpy(), null


def _fixed(times: pl.Series, layout: Layout) -> np.ndarray | None:
    """Return the times of texts that all have the layout, else None; faster than strptime."""
    array = times.to_arrow(compat_level=pl.CompatLevel.oldest())  # bytes, and where each begins
    offsets, text = array.buffers()[1:]
    starts = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    out = np.empty(len(array), np.int64)
    content = np.frombuffer(text, np.uint8) if text is not None else np.empty(0, np.uint8)
    bad = kernels().parse(
        content, starts, layout.width, layout.fields, layout.literals, _months(), out
    )
    return out if bad < 0 else None


@cache
def _layout(form: str) -> Layout | None:
    """Return the layout of a format of digits of fixed width, None where it has others."""
    fields = np.array([(0, 0, default) for default in DEFAULTS], np.int64)
    literals, at = [], 0
    for directive, literal in re.findall(
        r"%(.)|([^%])", form.replace("%F", "%Y-%m-%d").replace("%T", "%H:%M:%S")
    ):
        if not directive:
            if not literal.isascii():
                return None
            literals.append((at, ord(literal)))
            at += 1
        elif directive in FIELDS and not fields[FIELDS.index(directive), 1]:
            digits = DIGITS.get(directive, 2)
            fields[FIELDS.index(directive)] = (at, digits, 0)
            at += digits
        else:
            return None
    return Layout(at, fields, np.array(literals, np.int64).reshape(-1, 2)) if fields[0, 1] else None


@cache
def _months() -> np.ndarray:
    months = np.arange("1970-01", f"{LAST_YEAR}-01", dtype="datetime64[M]")
    return months.astype("datetime64[D]").astype(np.int64)
