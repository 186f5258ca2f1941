"""Adds how much each column changed since some time before: `<name>_change_<duration>`.

On a regular grid (`resample` before it); within a series; missing where one of both is. Not for
directions in degrees, whose 359 and 1 are neighbours.
"""

import polars as pl

from tasks.clean.series import Back, beside
from tasks.core.quantities import of_difference
from tasks.core.schema import Column, Columns
from tasks.frames import windows

SCOPE = "group"
KEEPS_ROWS = True
ONCE = True
NEEDS_GRID = True


class Params(Back):
    """`by`: how far back, each a whole number of the grid's steps."""


def includes_now(params: Params, target: str) -> bool:
    """Return whether features are made of the target as it is in the row itself."""
    return bool(params.by) and params.takes(target)


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with the changes."""
    return beside(
        frame, columns, params, "differences", windows.differences, "diff", "change", _described
    )


def _described(column: Column) -> Column:
    unit = of_difference(column.unit)
    limits = {"min": None, "max": None, "values": None}
    return column.model_copy(update={"role": "feature", "nullable": True, "unit": unit, **limits})
