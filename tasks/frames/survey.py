"""What a table of sensors has: which, when, how regular; and how the work is cut into parts."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from tasks.core.errors import DataError, ParamsError
from tasks.core.frames import require_columns
from tasks.frames import stamps
from tasks.frames.compiled import kernels
from tasks.frames.spec import Work

SPARSE = 4  # a grid with more slots a row than this is not worth having
MOST_STEPS, EMPTY = 200_000, 200  # of a sensor's grid; its steps a row


class Survey(NamedTuple):
    """The rows of a table and its sensors.

    keys: (sensor,), ascending.
    codes: (row,) int32, the row's sensor; -1 where it has no key or no time.
    times: (row,) int64, microseconds.
    first, last: (sensor,) int64, microseconds; count: (sensor,) int64, rows.
    step: (sensor,) int64, microseconds of its grid; 0: none, its rows are sorted.
    """

    keys: pl.Series
    codes: np.ndarray
    times: np.ndarray
    first: np.ndarray
    last: np.ndarray
    count: np.ndarray
    step: np.ndarray

    @property
    def slots(self) -> np.ndarray:
        """Return how many slots each sensor needs, (sensor,) int64."""
        gridded = (self.last - self.first) // np.maximum(self.step, 1) + 1
        return np.where(self.step > 0, gridded, self.count)


def look(frame: pl.LazyFrame, work: Work) -> Survey:
    """Return the survey of a table: one pass over its keys and times.

    Raises:
        DataError: a time cannot be read, or no row has key and time.
        ParamsError: a column is not there.
    """
    check(frame, work)
    keys, _ = keys_of(frame, work)
    codes, times = [], []
    zeros = [np.zeros(len(keys), np.int64) for _ in range(4)]
    row = 0
    for code, time in _batches(frame, work, keys):
        numbers, null = stamps.micros(time, work.time_format, row)
        if null is not None:
            code[null] = -1
        kernels().survey(code, numbers, *zeros)
        codes.append(code)
        times.append(numbers)
        row += len(code)
    first, last, count, step = zeros
    if not count.any():
        raise DataError(f"None of {row} rows has both {work.key or 'a sensor'} and {work.time}.")
    check_spans(keys, count, first, last, work)
    gridded = (step > 0) & ((last - first) // np.maximum(step, 1) < SPARSE * count)
    return Survey(
        keys,
        np.concatenate(codes),
        np.concatenate(times),
        first,
        last,
        count,
        np.where(gridded, step, 0),
    )


def check(frame: pl.LazyFrame, work: Work) -> None:
    """Check that the table has the columns, and times of the type that `work` says.

    Raises:
        ParamsError: it has not.
    """
    schema = frame.collect_schema()
    asked = [work.time, *([work.key] if work.key else []), *(c.name for c in work.columns)]
    require_columns("frames", asked, schema.names())
    kind = schema[work.time]
    if work.time_format is None and kind not in (pl.Datetime, pl.Date):
        raise ParamsError(f"frames.time: {work.time} is {kind}: a text needs a `time_format`")
    if work.time_format is not None and kind != pl.String:
        raise ParamsError(f"frames.time_format: {work.time} is {kind}, no text: leave it out")


def keys_of(frame: pl.LazyFrame, work: Work) -> tuple[pl.Series, list[int]]:
    """Return the sensors, ascending, and the rows of each; rows without key count for none.

    Raises:
        DataError: there is no sensor.
    """
    if work.key is None:
        return pl.Series("key", [""]), [frame.select(pl.len()).collect().item()]
    found = frame.group_by(key_of(frame, work.key)).len().drop_nulls().collect(engine="streaming")
    if found.is_empty():
        raise DataError(f"No row has a {work.key}.")
    found = found.sort(work.key)
    return found[work.key], found["len"].to_list()


def check_spans(
    keys: pl.Series, count: np.ndarray, first: np.ndarray, last: np.ndarray, work: Work
) -> None:
    """Check that no sensor's grid is mostly empty: one wrong year would fill the memory.

    Raises:
        DataError: one is; the message names the sensor and its first and last time.
    """
    steps = (last - first) // (work.grid_s * 1_000_000) + 1
    if not len(wrong := np.flatnonzero((steps > MOST_STEPS) & (steps > EMPTY * count))):
        return
    at = wrong[0]
    begin, end = (np.datetime64(int(t[at]), "us").astype("M8[s]") for t in (first, last))
    whose = f"Series {keys[int(at)]!r}" if work.key else "The table"
    raise DataError(
        f"{whose} has {count[at]} rows from {begin} to {end}: a grid of "
        f"{work.grid_s} s would have {steps[at]} rows ({len(wrong)} such series). Is a "
        "time wrong? Drop those rows, or choose a longer period."
    )


def cut(sizes: list[int], most: int) -> list[tuple[int, int]]:
    """Return (begin, end) of consecutive runs whose sizes sum up to at most `most`, or are one."""
    found, begin, filled = [], 0, 0
    for at, size in enumerate(sizes):
        if at > begin and filled + size > most:
            found.append((begin, at))
            begin, filled = at, 0
        filled += size
    return [*found, (begin, len(sizes))]


def key_of(frame: pl.LazyFrame, key: str) -> pl.Expr:
    """Return the key; categories as text, whose order does not depend on where they came from."""
    kind = frame.collect_schema()[key]
    textual = kind in (pl.Categorical, pl.Enum)
    return pl.col(key).cast(pl.String) if textual else pl.col(key)


def _batches(
    frame: pl.LazyFrame, work: Work, keys: pl.Series
) -> Iterator[tuple[np.ndarray, pl.Series]]:
    """Give codes, (row,) int32, and times of the rows, in the order of the file."""
    if work.key is None:
        code = pl.lit(0, pl.Int32)
    elif keys.dtype == pl.String:
        code = key_of(frame, work.key).cast(pl.Enum(keys)).to_physical()
    else:
        code = key_of(frame, work.key).replace_strict(
            keys, pl.int_range(len(keys), dtype=pl.Int32, eager=True), default=None
        )
    code = code.cast(pl.Int32).fill_null(-1).alias("__code__")
    for batch in frame.select(work.time, code).collect_batches(maintain_order=True):
        yield batch["__code__"].to_numpy().copy(), batch[work.time]
