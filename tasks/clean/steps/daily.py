"""Makes one row a series and local day: statistics of what was measured on it.

For day-to-day questions; the row's time is midnight of the day by the clock of `zone`. Days without
rows are left out unless wanted. Not for tables that have one row a day already.
"""

from datetime import timedelta

import polars as pl
from pydantic import Field

from tasks.clean import binning
from tasks.clean.binning import Binning, Statistic
from tasks.clean.series import Known, Zone, by_time, clock, local_time
from tasks.core.frames import require_columns
from tasks.core.plugins import PluginParams
from tasks.core.schema import Columns

SCOPE = "group"
MAKES_ROWS = True


class Params(PluginParams):
    """`statistics`: of every numeric feature, unless `by_column` says more."""

    statistics: list[Statistic] = Field(default=["mean", "min", "max", "std"], min_length=1)
    by_column: dict[str, list[Statistic]] = Field(default={}, description="[]: leaves one out")
    target: Statistic = Field(default="mean", description="of a numeric target")
    zone: Zone = Field(default="UTC", description="whose days; times are UTC")
    complete: bool = Field(default=False, description="days without rows are rows too")
    min_share: float = Field(default=0, ge=0, le=1, description="of the values that a day has")


def leaves(params: Params) -> Known:
    """Return what is known of the rows behind it."""
    return Known(ordered=True, apart=timedelta(days=1) if params.complete else None)


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the days, ordered by series and day, with new row numbers."""
    time = clock(columns, frame, "daily")
    require_columns("clean.steps.daily.by_column", params.by_column, columns)
    schema = frame.collect_schema()
    numeric = [n for n in columns if schema[n].is_numeric()]
    wanted = {name: params.by_column.get(name, params.statistics) for name in numeric}
    rows = by_time(frame.filter(pl.col(time).is_not_null()), time)
    rows = rows.with_columns(local_time(pl.col(time), params.zone).dt.truncate("1d").alias(time))
    plan = Binning(wanted, params.target, min_share=params.min_share)
    made, after = binning.binned(rows, columns, time, plan)
    return (binning.complete(made, after, time, "1d") if params.complete else made), after
