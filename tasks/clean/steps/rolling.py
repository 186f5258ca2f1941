"""Adds statistics of the time before each row: mean, spread, extremes, quantiles, slope.

A window ends with the row itself and never reaches into another series; missing values in it do
not count. On a regular grid (`resample` before it). Not for linear models without need: windows of
one column repeat each other.
"""

from datetime import timedelta
from typing import Annotated

import polars as pl
from pydantic import AfterValidator, Field

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
from tasks.core.quantities import of_difference
from tasks.core.schema import Column, Columns
from tasks.frames import windows

SCOPE = "group"
KEEPS_ROWS = True
ONCE = True
NEEDS_GRID = True
SPREADS = ("std", "slope")


def _known(given: list[str]) -> list[str]:
    wrong = [s for s in given if s not in windows.ROLLING and windows.quantile(s) is None]
    if wrong:
        raise ValueError(
            f"unknown statistics {', '.join(wrong)}. Known: {', '.join(windows.ROLLING)}, and "
            "quantiles such as q10"
        )
    return given


Statistics = Annotated[list[str], AfterValidator(_known)]


class Params(Measured):
    """`windows`: how far back; `statistics`: mean, std, min, max, slope (per hour), q05 to q95."""

    windows: list[Duration] = Field(default=[])
    statistics: Statistics = Field(default=["mean", "std"], min_length=1)


def includes_now(params: Params, target: str) -> bool:
    """Return whether features are made of the target as it is in the row itself."""
    return bool(params.windows) and params.takes(target)


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with `<name>_<window>_<statistic>`."""
    if not params.windows:
        return frame, columns
    time, keys = clock(columns, frame, "rolling"), groups(columns)
    names = measured(frame, columns, params, "rolling")
    grid = grid_step(frame, keys, time, "rolling")
    rows = {window: rows_of(window, grid, "rolling") for window in params.windows}
    schema = frame.collect_schema()
    keyed, key = one_key(frame, keys)
    added = windows.rolling(keyed, key, names, rows, params.statistics).drop(SERIES, strict=False)
    made, hours = dict(columns), (grid or timedelta(hours=1)) / timedelta(hours=1)
    slopes = []
    for window in params.windows:
        for statistic in params.statistics:
            for name in names:
                new = f"{name}_{window}_{statistic}"
                made[new] = described(columns[name], statistic)
                slopes += [pl.col(new) / hours] if statistic == "slope" else []
    return added.with_columns(slopes).with_columns(pl.col(n).cast(schema[n]) for n in names), made


def described(column: Column, statistic: str) -> Column:
    """Return what is known of a column's statistic over a window."""
    limits = {"min": None, "max": None} if statistic in SPREADS else {}
    unit = of_difference(column.unit) if statistic == "std" else column.unit
    if statistic == "slope" and unit:
        unit = f"{unit}/h"
    return column.model_copy(
        update={
            "role": "feature",
            "type": "float",
            "nullable": True,
            "values": None,
            "unit": unit,
            **limits,
        }
    )
