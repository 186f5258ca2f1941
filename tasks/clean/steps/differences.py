"""Adds how much each column changed since some time before: `<name>_change_<duration>`.

On a regular grid (`resample` before it); within a series; missing where one of both is. Not for
directions in degrees, whose 359 and 1 are neighbours.
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
CHANGE = {"role": "feature", "nullable": True, "min": None, "max": None, "values": None}


class Params(Measured):
    """`by`: how far back, each a whole number of the grid's steps."""

    by: list[Duration] = Field(default=[])


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with the changes."""
    if not params.by:
        return frame, columns
    time, keys = clock(columns, frame, "differences"), groups(columns)
    names = measured(frame, columns, params, "differences")
    grid = grid_step(frame, keys, time, "differences")
    keyed, key = one_key(frame, keys)
    made = dict(columns)
    for duration in params.by:
        rows = rows_of(duration, grid, "differences")
        keyed = windows.differences(keyed, key, names, [rows])
        new = {f"{n}_diff{rows}": f"{n}_change_{duration}" for n in names}
        keyed = keyed.rename(new)
        for old, name in zip(names, new.values(), strict=True):
            made[name] = columns[old].model_copy(update=CHANGE)
    return keyed.drop(SERIES, strict=False), made
