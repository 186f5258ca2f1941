"""Makes one row a series and night: statistics of each sensor between two times of local clock.

A night has the day on which it ends (22:00 to 07:00: the evening of the 3rd and the morning of the
4th are the 4th's), which is how wearables name it; or that of its evening (`named_by`), for a
forecast of the next morning: its inputs end with their own day. What was measured by day is left
out, but for what there is once a day (`of_the_day`): a wearable's record goes beside the night. One
of 0:00 sharp is of the day that it names, whatever `zone` is. Not where the hours of sleep
themselves are known: take those.
"""

from typing import Literal

import polars as pl
from pydantic import Field, model_validator

from tasks.clean import binning
from tasks.clean.binning import Binning, Statistic
from tasks.clean.findings import Finding, finding
from tasks.clean.series import Known, Zone, by_time, clock, local_time
from tasks.core.frames import require_columns
from tasks.core.plugins import PluginParams
from tasks.core.schema import Columns

SCOPE = "group"
MAKES_ROWS = True
DAY = 1440  # minutes


class Params(PluginParams):
    """`begin`, `end`: local times of day, `HH:MM`; a night that ends before it begins is over
    midnight.
    """

    begin: str = Field(default="22:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    end: str = Field(default="07:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    zone: Zone = Field(default="UTC", description="whose nights; times are UTC")
    statistics: list[Statistic] = Field(default=["mean", "min", "max", "std"], min_length=1)
    by_column: dict[str, list[Statistic]] = Field(default={}, description="[]: leaves one out")
    target: Statistic = Field(default="mean", description="of a numeric target")
    named_by: Literal["morning", "evening"] = Field(
        default="morning", description="whose day a night over midnight has"
    )
    of_the_day: list[str] = Field(
        default=[], description="columns of one value a day: their last one of the local day"
    )
    min_share: float = Field(default=0, ge=0, le=1, description="of the values of the night")

    @model_validator(mode="after")
    def _differ(self) -> "Params":
        if self.begin == self.end:
            raise ValueError(f"begin and end are both {self.begin}: a night has a length")
        return self


def leaves(params: Params) -> Known:
    """Return what is known of the rows behind it."""
    return Known(ordered=True)


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the nights, ordered by series and day, with new row numbers."""
    time = clock(columns, frame, "nights")
    require_columns("clean.steps.nights.by_column", params.by_column, columns)
    schema = frame.collect_schema()
    require_columns("clean.steps.nights.of_the_day", params.of_the_day, columns)
    numeric = [n for n in columns if schema[n].is_numeric() and n not in params.of_the_day]
    wanted = {name: params.by_column.get(name, params.statistics) for name in numeric}
    local = local_time(pl.col(time), params.zone)
    begin, end = _minutes(params.begin), _minutes(params.end)
    minute = local.dt.hour().cast(pl.Int32) * 60 + local.dt.minute()
    if begin < end:
        inside, day = (minute >= begin) & (minute < end), local.dt.truncate("1d")
    else:
        inside = (minute >= begin) | (minute < end)
        before = minute >= begin if params.named_by == "morning" else minute < end
        moved = pl.when(before).then(pl.duration(days=1)).otherwise(pl.duration())
        day = local.dt.truncate("1d")
        day = day + moved if params.named_by == "morning" else day - moved
    measured = binning.without_records(frame, columns, params.of_the_day)
    rows = by_time(measured.filter(inside.fill_null(False)), time)
    plan = Binning(wanted, params.target, min_share=params.min_share)
    nightly = {n: c for n, c in columns.items() if n not in params.of_the_day}
    nights = binning.binned(rows.with_columns(day.alias(time)), nightly, time, plan)
    return binning.with_records(nights, frame, columns, time, params.of_the_day, params.zone)


def findings(
    before: pl.DataFrame, after: pl.DataFrame, columns: Columns, params: Params
) -> list[Finding]:
    """Return how many nights there are."""
    time = clock(columns, before.lazy(), "nights")
    detail = f"{params.begin} to {params.end}, {params.zone}"
    return [finding("nights", time, detail, after.height)]


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return (int(hours) * 60 + int(minutes)) % DAY
