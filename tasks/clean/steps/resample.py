"""Puts a sensor table onto a regular grid: one row a series and period, named by its begin.

What a row says is known at the end of its period. Periods without a value are rows of missing
values, so that later steps and windows see the gap. `mean` for levels (temperature), `sum` for
amounts (rain, energy), `last` for counters and states; a direction's mean is circular. Not for
tables whose rows are events or days already.
"""

import polars as pl
from pydantic import Field, model_validator

from tasks.clean import binning
from tasks.clean.binning import Binning, Statistic
from tasks.clean.findings import Finding, finding
from tasks.clean.series import Duration, Known, by_time, clock, groups, length
from tasks.core.errors import ParamsError
from tasks.core.frames import require_columns
from tasks.core.plugins import PluginParams
from tasks.core.schema import ROW, Columns

SCOPE = "group"
MAKES_ROWS = True


class Params(PluginParams):
    """`every`: the period; `statistics`: of every numeric feature, unless `by_column` says more."""

    every: Duration = "15m"
    statistics: list[Statistic] = Field(default=["mean"], min_length=1)
    by_column: dict[str, list[Statistic]] = Field(default={}, description="[]: leaves one out")
    target: Statistic = Field(default="mean", description="of a numeric target")
    circular: list[str] = Field(default=[], description="directions in degrees")
    complete: bool = Field(default=True, description="periods without rows are rows too")
    min_share: float = Field(
        default=0, ge=0, le=1, description="of the values that a period has, or should have"
    )
    step: Duration | None = Field(default=None, description="usual time from value to value")

    @model_validator(mode="after")
    def _whole(self) -> "Params":
        if length(self.every).total_seconds() > 86_400 and not self.every.endswith(("d", "w")):
            raise ValueError(f"every {self.every}: give periods beyond a day in d or w")
        return self


def leaves(params: Params) -> Known:
    """Return what is known of the rows behind it."""
    return Known(ordered=True, apart=length(params.every) if params.complete else None)


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the grid, ordered by series and time, with new row numbers.

    Raises:
        ParamsError: columns are unknown or no numbers.
    """
    time = clock(columns, frame, "resample")
    schema = frame.collect_schema()
    for where, names in (("by_column", params.by_column), ("circular", params.circular)):
        require_columns(f"clean.steps.resample.{where}", names, columns)
        if wrong := [n for n in names if not schema[n].is_numeric()]:
            raise ParamsError(f"clean.steps.resample.{where}: {', '.join(wrong)}: no numbers")
    expected = length(params.every) / length(params.step) if params.step else None
    numeric = [n for n in columns if schema[n].is_numeric()]
    wanted = {name: params.by_column.get(name, params.statistics) for name in numeric}
    plan = Binning(wanted, params.target, tuple(params.circular), expected, params.min_share)
    rows = by_time(frame.filter(pl.col(time).is_not_null()), time)
    rows = rows.with_columns(pl.col(time).dt.truncate(params.every))
    made, after = binning.binned(rows, columns, time, plan)
    if params.complete:
        made = binning.complete(made, after, time, params.every)
    return made, after


def findings(
    before: pl.DataFrame, after: pl.DataFrame, columns: Columns, params: Params
) -> list[Finding]:
    """Return how many periods of the grid have no row, and how many values are missing."""
    time, keys = clock(columns, before.lazy(), "resample"), groups(columns)
    periods = before.select(*keys, pl.col(time).dt.truncate(params.every)).drop_nulls(time)
    empty = after.height - periods.unique().height
    found = [finding("periods without a row", time, params.every, empty)] if empty > 0 else []
    for name in after.columns:
        missing = after[name].null_count()
        if missing and name not in (ROW, time, *keys):
            found.append(finding("periods without a value", name, params.every, missing))
    return found
