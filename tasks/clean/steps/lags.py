"""Adds what each column was some time before: `<name>_lag_<duration>`.

On a regular grid (`resample` before it); within a series; missing where the grid begins or the
value was missing. Not for what does not change: a lag of a constant says nothing.
"""

import polars as pl
from pydantic import Field

from tasks.clean.series import (
    SERIES,
    Duration,
    Measured,
    clock,
    grid_step,
    groups,
    measured,
    one_key,
    rows_of,
)
from tasks.core.schema import Columns
from tasks.frames import windows

SCOPE = "group"
ONCE = True
NEEDS_GRID = True


class Params(Measured):
    """`by`: how far back, each a whole number of the grid's steps."""

    by: list[Duration] = Field(default=[])


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with the values."""
    if not params.by:
        return frame, columns
    time, keys = clock(columns, frame, "lags"), groups(columns)
    names = measured(frame, columns, params, "lags")
    grid = grid_step(frame, keys, time, "lags")
    keyed, key = one_key(frame, keys)
    made = dict(columns)
    for duration in params.by:
        rows = rows_of(duration, grid, "lags")
        keyed = windows.lags(keyed, key, names, [rows])
        new = {f"{n}_lag{rows}": f"{n}_lag_{duration}" for n in names}
        keyed = keyed.rename(new)
        for old, name in zip(names, new.values(), strict=True):
            made[name] = columns[old].model_copy(update={"role": "feature", "nullable": True})
    return keyed.drop(SERIES, strict=False), made
