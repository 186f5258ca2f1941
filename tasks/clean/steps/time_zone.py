"""Turns local times without a zone into UTC, through both turns of daylight saving.

In autumn an hour comes twice: its second pass is known by the clock going back within the series,
or by a time that was there before. In spring an hour does not come; times in it are those of a
clock that was not set. Clocks that were set by hand (times going back elsewhere) are reported.
Not for times that are UTC already, as files with an offset (`+00:00`, `Z`) are read.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from tasks.clean.findings import Finding, finding
from tasks.clean.series import Zone, clock, groups, over
from tasks.core.plugins import PluginParams
from tasks.core.schema import ROW, Columns

SCOPE = "group"
HOUR = pl.duration(hours=1)


class Params(PluginParams):
    """`zone`: where the clock hangs, as IANA names it: `America/New_York`."""

    zone: Zone = "UTC"
    ambiguous: Literal["by_order", "first", "second", "missing"] = Field(
        default="by_order", description="the hour that comes twice"
    )
    absent: Literal["not_set", "missing"] = Field(
        default="not_set", description="the hour that does not come: a clock not set, or missing"
    )


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with UTC times; the time column's unit says so from then on."""
    time = clock(columns, frame, "time_zone")
    if params.zone == "UTC" or columns[time].unit == "UTC":
        return frame, columns
    local, keys = pl.col(time), groups(columns)
    first, second = (_utc(local, params.zone, way) for way in ("earliest", "latest"))
    twice = first != second
    if params.ambiguous == "by_order":
        chosen = pl.when(_second_pass(local, twice, keys)).then(second).otherwise(first)
    elif params.ambiguous == "missing":
        chosen = pl.when(~twice).then(first)
    else:
        chosen = first if params.ambiguous == "first" else second
    if params.absent == "not_set":
        later = _utc(local + HOUR, params.zone, "earliest")
        chosen = chosen.fill_null(
            pl.when(_utc(local, params.zone, "earliest").is_null()).then(later)
        )
    made = columns | {time: columns[time].model_copy(update={"unit": "UTC"})}
    return frame.with_columns(chosen.alias(time)), made


def findings(
    before: pl.DataFrame, after: pl.DataFrame, columns: Columns, params: Params
) -> list[Finding]:
    """Return how many times were in an hour that came twice or not at all, and clocks set back."""
    time, keys = clock(columns, before.lazy(), "time_zone"), groups(columns)
    found = []
    local = pl.col(time)
    if params.zone != "UTC" and columns[time].unit != "UTC":
        first = _utc(local, params.zone, "earliest")
        twice = before.filter(first != _utc(local, params.zone, "latest"))
        never = before.filter(local.is_not_null() & first.is_null())
        for what, rows, did in (
            ("in the hour that comes twice", twice, params.ambiguous),
            ("in the hour that does not come", never, params.absent),
        ):
            if rows.height:
                found.append(finding(what, time, f"taken: {did}", rows.height, rows[ROW].min()))
    return found + _set_back(after, time, keys)


def _set_back(frame: pl.DataFrame, time: str, keys: list[str]) -> list[Finding]:
    """Return where time goes back within a series, in the order of the table, by how much."""
    back = over(pl.col(time).diff(), keys)
    rows = frame.select(ROW, back=back).filter(pl.col("back") < pl.duration())
    sizes = (
        rows.group_by("back")
        .agg(count=pl.len(), first=pl.col(ROW).min())
        .sort("count", "back", descending=[True, False])
    )
    return [
        finding("time goes back", time, f"by {-back}", count, first)
        for back, count, first in sizes.head(10).iter_rows()
    ]


def _second_pass(local: pl.Expr, twice: pl.Expr, keys: list[str]) -> pl.Expr:
    """Return whether a time of the hour that comes twice is of its second pass."""
    day = local.dt.date()
    again = pl.int_range(pl.len()).over([*keys, local]) > 0
    back = (over(local.diff(), keys) < pl.duration()).fill_null(False) & twice
    return twice & (again | (back.cum_sum().over([*keys, day]) > 0))


def _utc(local: pl.Expr, zone: str, way: Literal["earliest", "latest"]) -> pl.Expr:
    """Return UTC times without a zone, null where the local time does not exist."""
    there = local.dt.replace_time_zone(zone, ambiguous=way, non_existent="null")
    return there.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
