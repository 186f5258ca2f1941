"""Adds what each column was some time before: `<name>_lag_<duration>`.

On a regular grid (`resample` before it); within a series; missing where the grid begins or the
value was missing. Not for what does not change: a lag of a constant says nothing.
"""

import polars as pl

from tasks.clean.series import Back, beside
from tasks.core.schema import Column, Columns
from tasks.frames import windows

SCOPE = "group"
KEEPS_ROWS = True
ONCE = True
NEEDS_GRID = True


class Params(Back):
    """`by`: how far back, each a whole number of the grid's steps."""


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with the values."""
    return beside(frame, columns, params, "lags", windows.lags, "lag", "lag", _described)


def _described(column: Column) -> Column:
    return column.model_copy(update={"role": "feature", "nullable": True})
