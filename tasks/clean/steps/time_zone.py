"""Turns local times without a zone into UTC, through both turns of daylight saving.

In autumn an hour comes twice: its second pass is known by the clock going back within the series,
or, in a table sorted by local time, by the times that are there twice. A row that says the same
again is the same row, sent twice. A series of which the newest row comes first is read from its
end. In spring an hour does not come; times in it are those of a clock that was not set. Clocks that
were set by hand (times going back elsewhere) are reported. Not for times that are UTC already, as
files with an offset (`+00:00`, `Z`) are read.
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
MOSTLY = 0.9  # of the steps that lead back, where the newest row comes first
SHIFT, NEWEST, STEP = "__shift__", "__newest__", "__step__"


class Params(PluginParams):
    """`zone`: where the clock hangs, as IANA names it: `America/New_York`."""

    zone: Zone = "UTC"
    ambiguous: Literal["by_order", "first", "second", "missing"] = Field(
        default="by_order", description="the hour that comes twice"
    )
    absent: Literal["not_set", "missing"] = Field(
        default="not_set", description="the hour that does not come: a clock not set, or missing"
    )


def looks(params: Params) -> bool:
    """Return whether rows that say the same are looked for in the hour that comes twice."""
    return params.ambiguous == "by_order" and params.zone != "UTC"


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with UTC times; the time column's unit says so from then on."""
    time = clock(columns, frame, "time_zone")
    if params.zone == "UTC" or columns[time].unit == "UTC":
        return frame, columns
    local, keys = pl.col(time), groups(columns)
    first, second = (_utc(local, params.zone, way) for way in ("earliest", "latest"))
    if params.ambiguous == "by_order":
        again = pl.col(ROW).is_in(_second_pass(frame, time, second - first, keys).implode())
        chosen = pl.when(again).then(second).otherwise(first)
    elif params.ambiguous == "missing":
        chosen = pl.when(first == second).then(first)
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


def _second_pass(frame: pl.LazyFrame, time: str, shift: pl.Expr, keys: list[str]) -> pl.Series:
    """Return the numbers of the rows whose time is of the second pass of an hour, UInt32.

    Args:
        frame: the table.
        time: its column of local times.
        shift: how far apart both passes of a time are; 0 where there is one alone.
        keys: the columns that tell series apart.
    """
    local, schema = pl.col(time), frame.collect_schema()
    says = [n for n, dtype in schema.items() if n != ROW and not dtype.is_nested()]
    ahead = local.diff()
    downward = (ahead < pl.duration()).sum() > MOSTLY * (ahead != pl.duration()).sum()
    told = {
        SHIFT: shift,
        NEWEST: over(downward, keys),
        STEP: over(pl.when(downward).then(local - local.shift(-1)).otherwise(ahead), keys),
    }
    rows = frame.select(ROW, *says, **told).filter(pl.col(SHIFT) != pl.duration()).collect()
    rows = pl.concat([rows.filter(~pl.col(NEWEST)), rows.filter(NEWEST).reverse()])
    step, hour = pl.col(STEP), [*keys, local.dt.date()]
    rows = rows.with_columns(
        __nth__=pl.int_range(pl.len()).over(*keys, time),
        __sent_twice__=pl.int_range(pl.len()).over(says) > 0,
        __coarse__=step.first().over(*keys, time) >= pl.col(SHIFT),
    )
    rows = rows.with_columns(
        __times__=(pl.col("__nth__") == 0).cum_sum().over(hour),
        __doubled__=(pl.col("__nth__") == 1).cum_sum().over(hour),
        __back__=(step < pl.duration())
        & (~pl.col("__sent_twice__") | (-2 * step >= pl.col(SHIFT))),
    )
    # the first time that is there twice is the hour's second pass unless it looks sent twice, a
    # later one where half of those before it were there twice too
    alone = ~pl.col("__sent_twice__") | pl.col("__coarse__")
    others = 2 * (pl.col("__doubled__") - 1) >= pl.col("__times__") - 1
    in_place = (pl.col("__nth__") > 0) & pl.when(pl.col("__times__") == 1).then(alone).otherwise(
        others
    )
    # a row that is sent again behind the turn leads forward, out of the others' order
    late = pl.col("__sent_twice__") & (2 * step > pl.col(SHIFT))
    turned = (pl.col("__back__").cum_sum().over(hour) > 0) & ~late
    return rows.filter((in_place | turned).fill_null(False))[ROW]


def _utc(local: pl.Expr, zone: str, way: Literal["earliest", "latest"]) -> pl.Expr:
    """Return UTC times without a zone, null where the local time does not exist."""
    there = local.dt.replace_time_zone(zone, ambiguous=way, non_existent="null")
    return there.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
