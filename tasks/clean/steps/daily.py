"""Makes one row a series and local day: statistics of what was measured on it.

For day-to-day questions; the row's time is midnight of the day by the clock of `zone`. Days without
rows are left out unless wanted. What has one value a day (`of_the_day`: a wearable's record) goes
beside; one of 0:00 sharp is of the day that it names. Not for tables of one row a day already.
"""

from datetime import timedelta

import polars as pl
from pydantic import Field

from tasks.clean import binning
from tasks.clean.binning import Binning, Statistic
from tasks.clean.findings import Finding, finding
from tasks.clean.series import Known, Zone, by_time, clock, local_time
from tasks.core.frames import require_columns
from tasks.core.plugins import PluginParams
from tasks.core.schema import ROW, Columns

SCOPE = "group"
MAKES_ROWS = True


class Params(PluginParams):
    """`statistics`: of every numeric feature, unless `by_column` says more."""

    statistics: list[Statistic] = Field(default=["mean", "min", "max", "std"], min_length=1)
    by_column: dict[str, list[Statistic]] = Field(default={}, description="[]: leaves one out")
    target: Statistic = Field(default="mean", description="of a numeric target")
    zone: Zone = Field(default="UTC", description="whose days; times are UTC")
    of_the_day: list[str] = Field(
        default=[], description="columns of one value a day: their last one of the local day"
    )
    complete: bool = Field(default=False, description="days without rows are rows too")
    min_share: float = Field(default=0, ge=0, le=1, description="of the values that a day has")


def leaves(params: Params) -> Known:
    """Return what is known of the rows behind it."""
    return Known(ordered=True, apart=timedelta(days=1) if params.complete else None)


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the days, ordered by series and day, with new row numbers."""
    time = clock(columns, frame, "daily")
    require_columns("clean.steps.daily.by_column", params.by_column, columns)
    require_columns("clean.steps.daily.of_the_day", params.of_the_day, columns)
    schema = frame.collect_schema()
    numeric = [n for n in columns if schema[n].is_numeric() and n not in params.of_the_day]
    wanted = {name: params.by_column.get(name, params.statistics) for name in numeric}
    measured = binning.without_records(frame, columns, params.of_the_day)
    rows = by_time(measured.filter(pl.col(time).is_not_null()), time)
    rows = rows.with_columns(local_time(pl.col(time), params.zone).dt.truncate("1d").alias(time))
    plan = Binning(wanted, params.target, min_share=params.min_share)
    others = {n: c for n, c in columns.items() if n not in params.of_the_day}
    days = binning.binned(rows, others, time, plan)
    made, after = binning.with_records(days, frame, columns, time, params.of_the_day, params.zone)
    return (binning.complete(made, after, time, "1d") if params.complete else made), after


def findings(
    before: pl.DataFrame, after: pl.DataFrame, columns: Columns, params: Params
) -> list[Finding]:
    """Return columns that look like a record a day, and lie on the day before in that zone."""
    time = clock(columns, before.lazy(), "daily")
    if params.zone == "UTC" or columns[time].unit == "UTC":
        return []
    stamp = pl.col(time)
    moved = local_time(stamp, params.zone).dt.date() != stamp.dt.date()
    found = []
    for name, column in columns.items():
        if column.role not in ("feature", "target") or name in params.of_the_day:
            continue
        rows = before.filter(pl.col(name).is_not_null() & stamp.is_not_null())
        if rows.height and rows.select((binning.at_midnight(stamp) & moved).all()).item():
            detail = f"stands at 0:00 alone, the day before in {params.zone}: `of_the_day`?"
            first = rows[ROW].min()
            found.append(finding("likely a record of its day", name, detail, rows.height, first))
    return found
