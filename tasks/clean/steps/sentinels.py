"""Makes numbers missing that stand for "no value": declared ones, the usual ones, impossible zeros.

A usual sentinel (-9999, 65535 ...) counts only where it lies far from what its series had before:
999 among 990 and 1005 is a measurement. Among the first hundred values of a series, whose past says
too little, one like -99 or 999 stays and is reported. 0 is impossible for humidity, air pressure
and CO2. Long runs at the very top or bottom of a sensor's range are reported as saturated, and stay
unless told. Not for tables where such a number is a code with a meaning of its own: make it a
category.
"""

from collections.abc import Callable
from typing import Literal

import polars as pl
from pydantic import Field

from tasks.clean.findings import Finding, emptied, finding
from tasks.clean.series import Measured, groups, in_order, measured, over
from tasks.core import frames
from tasks.core.quantities import NEVER_ZERO, kind_of
from tasks.core.schema import ROW, Columns, by_role

SCOPE = "group"
KEEPS_ROWS = True
USUAL = (-9999.0, -999.0, -99.0, -99999.0, -999.9, -9999.9, -32768.0, -127.0, 999.0, 9999.0)
USUAL += (99999.0, 999.9, 9999.9, 32767.0, 65535.0, 65534.0, 2147483647.0, 4294967295.0)
FAR = 3.0  # spreads from the bulk
BLOCK, BLOCKS = 100, 5  # values of a block, and blocks that are looked back on
MEASURABLE = (-999.0, 9999.0)  # beyond: what hardly anything measures
MANY = 20  # different values
BULK = (0.05, 0.95)  # quantiles of a block
LEAST = 5  # values of a series that tell what is likely one


class Params(Measured):
    """`values`: what stands for "no value" in every column, wherever it lies."""

    values: list[float] = Field(default=[])
    by_column: dict[str, list[float]] = Field(default={}, description="more, of one column")
    detect: bool = Field(default=True, description="the usual ones, where they lie far from all")
    zeros: bool = Field(
        default=True, description="0 of humidity, pressure, CO2, and of temperature beside one"
    )
    saturated: Literal["report", "missing"] = Field(
        default="report", description="runs of the largest or smallest value"
    )
    run: int = Field(default=60, ge=3, description="values in a row that make such a run")


def looks_ahead(params: Params) -> str:
    """Return why, where runs at the end of a sensor's range are taken out."""
    return "the end of a range shows later (`saturated: missing`)" * (params.saturated == "missing")


def looks(params: Params) -> bool:
    """Return whether usual sentinels are looked for, among what lies around them."""
    return params.detect


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with sentinels made missing."""
    keys, names = groups(columns), measured(frame, columns, params, "sentinels")
    far = _far(frame, names, columns) if params.detect else {}
    expressions = []
    for name in names:
        value = pl.col(name)
        gone = value.is_in([*params.values, *params.by_column.get(name, [])])
        if name in far:
            gone = gone | pl.col(ROW).is_in(far[name].implode())
        if params.zeros:
            gone = gone | _impossible_zero(name, columns, names)
        if params.saturated == "missing":
            gone = gone | _saturated(value, keys, params.run)
        expressions.append(pl.when(~gone).then(value).alias(name))
    return frame.with_columns(expressions), columns


def findings(
    before: pl.DataFrame, after: pl.DataFrame, columns: Columns, params: Params
) -> list[Finding]:
    """Return each sentinel with its count, and saturated runs."""
    names = measured(before.lazy(), columns, params, "sentinels")
    found = emptied("sentinel", before, after, names, by_value=True)
    if params.saturated == "report":
        found += _runs(after, names, groups(columns), params.run)
    for name in names if params.detect else []:
        found += _told("likely sentinel (stays; `values`)", _early(after, name, columns), name)
    if left := by_role(columns, "target"):
        found += [] if params.target else _in_target(before, left[0], columns)
    return found


def _far(frame: pl.LazyFrame, names: list[str], columns: Columns) -> dict[str, pl.Series]:
    """Return, by column, the numbers of the rows with a usual sentinel that is far from the rest.

    The rest are the values before it, in blocks of `BLOCK`: it lies further from the bulk of the
    last `BLOCKS` whole ones than `FAR` times what they spread. Before there is one, only numbers
    that hardly anything measures count.
    """
    if not names:
        return {}
    occurs = [pl.col(name).cast(pl.Float64).is_in(list(USUAL)).any() for name in names]
    held = frames.collect(frame.select(occurs))
    suspected = [name for name in names if held[name][0]]
    if not suspected:
        return {}
    keys, times = groups(columns), by_role(columns, "time")
    ordered = in_order(frame, keys, times[0]) if times else (lambda value: over(value, keys))
    return {name: _far_rows(frame, name, keys, ordered) for name in suspected}


def _far_rows(
    frame: pl.LazyFrame, name: str, keys: list[str], within: Callable[[pl.Expr], pl.Expr]
) -> pl.Series:
    """Return the numbers of the rows with a usual sentinel of one column, UInt32."""
    suspected, blocks = _suspected(frame, name, keys, within)
    past = blocks.with_columns(
        pl.col("block") + 1,
        over(pl.col("low").rolling_min(BLOCKS, min_samples=1), keys),
        over(pl.col("high").rolling_max(BLOCKS, min_samples=1), keys),
    )
    judged = suspected.join(past, on=[*keys, "block"], how="left", nulls_equal=True)
    alone = pl.col("low").is_null() & ~pl.col("value").is_between(*MEASURABLE, closed="none")
    found = judged.filter(_beyond().fill_null(False) | alone).select(ROW)
    return frames.collect(found)[ROW].sort()


def _suspected(
    frame: pl.LazyFrame, name: str, keys: list[str], within: Callable[[pl.Expr], pl.Expr]
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Return the rows with a usual sentinel, with their block, and the bulk of each block."""
    value = pl.col(name).cast(pl.Float64)
    known = (value.is_not_null() & ~value.is_in(list(USUAL))).fill_null(False)
    block = within(known.cum_sum()) // BLOCK
    rows = frame.select(ROW, *keys, value=value, known=known, block=block.cast(pl.Int64))
    blocks = (
        rows.filter("known")
        .group_by(*keys, "block")
        .agg(
            pl.len().alias("n"),
            *(
                pl.col("value").quantile(q).alias(n)
                for n, q in zip(("low", "high"), BULK, strict=True)
            ),
        )
        .sort(*keys, "block")
    )
    return rows.filter(~pl.col("known") & pl.col("value").is_not_null()), blocks


def _beyond() -> pl.Expr:
    """Return whether a value lies far from the bulk beside it."""
    reach = FAR * (pl.col("high") - pl.col("low")).clip(lower_bound=1.0)
    low, high = pl.col("low") - reach, pl.col("high") + reach
    return (pl.col("value") < low) | (pl.col("value") > high)


def _early(frame: pl.DataFrame, name: str, columns: Columns) -> pl.DataFrame:
    """Return the rows with a usual sentinel that is far from the first block of its series.

    They lie in it: what was before them did not tell yet what is usual.
    """
    if not frame[name].cast(pl.Float64).is_in(list(USUAL)).any():
        return frame.clear()
    keys, times = groups(columns), by_role(columns, "time")
    lazy = frame.lazy()
    within = in_order(lazy, keys, times[0]) if times else (lambda value: over(value, keys))
    suspected, blocks = _suspected(lazy, name, keys, within)
    first = blocks.filter((pl.col("block") == 0) & (pl.col("n") >= LEAST))
    judged = suspected.join(first, on=[*keys, "block"], nulls_equal=True)
    rows = frames.collect(judged.filter(_beyond()).select(ROW))[ROW]
    return frame.filter(pl.col(ROW).is_in(rows.implode()))


def _impossible_zero(name: str, columns: Columns, names: list[str]) -> pl.Expr:
    """Return whether a value is a zero that cannot be, or a temperature of 0 beside one.

    A device that did not measure says 0 for all; of the temperature alone that may be true.
    """
    kinds = {each: kind_of(each, columns[each].unit) for each in names}
    impossible = [each for each, kind in kinds.items() if kind in NEVER_ZERO]
    if kinds[name] == "temperature" and impossible:
        beside = pl.any_horizontal((pl.col(each) == 0).fill_null(False) for each in impossible)
        return (pl.col(name) == 0) & beside
    return pl.col(name) == 0 if name in impossible else pl.lit(False)


def _saturated(value: pl.Expr, keys: list[str], run: int) -> pl.Expr:
    """Return whether a value is part of a long run of the extreme of its series; 0 is none."""
    extreme = (value == over(value.max(), keys)) | (value == over(value.min(), keys))
    changes = over(value.max() != value.min(), keys)
    identity = over(value.rle_id(), keys)
    length = pl.len().over([*keys, identity])
    return extreme & (value != 0) & changes & (length >= run)


def _runs(frame: pl.DataFrame, names: list[str], keys: list[str], run: int) -> list[Finding]:
    """Return the runs that `_saturated` means; of the few rows that are extreme."""
    found = []
    place = over(pl.int_range(pl.len()), keys)
    for name in names:
        value = pl.col(name)
        least, most = over(value.min(), keys), over(value.max(), keys)
        rows = frame.select(ROW, *keys, name, at=place, low=least, high=most).filter(
            (value != 0)
            & (pl.col("low") != pl.col("high"))
            & ((value == pl.col("low")) | (value == pl.col("high")))
        )
        begins = [
            (pl.col("at").diff() != 1),
            *(pl.col(n).ne_missing(pl.col(n).shift(1)) for n in (*keys, name)),
        ]
        held = (
            rows.sort(*keys, "at")
            .with_columns(run=pl.any_horizontal(begins).fill_null(True).cum_sum())
            .filter(pl.len().over("run") >= run)
        )
        if held.height:
            held = _of_many(held, frame, name, keys)
        found += _told("saturated (stays)", held, name)
    return found


def _of_many(held: pl.DataFrame, frame: pl.DataFrame, name: str, keys: list[str]) -> pl.DataFrame:
    """Return the rows of series with many different values; one with few is a state or a count."""
    if not keys:
        return held if frame[name].n_unique() >= MANY else held.clear()
    whose = held.select(keys).unique()
    series = frame.join(whose, on=keys, how="semi", nulls_equal=True)
    many = series.group_by(keys).agg(pl.col(name).n_unique() >= MANY).filter(name)
    return held.join(many, on=keys, how="semi", nulls_equal=True, maintain_order="left")


def _in_target(frame: pl.DataFrame, name: str, columns: Columns) -> list[Finding]:
    """Return sentinels in a target, which is left as it is."""
    if not frame.schema[name].is_numeric():
        return []
    rows = _far(frame.lazy(), [name], columns).get(name, pl.Series(dtype=pl.UInt32))
    rows = pl.concat([rows, _early(frame, name, columns)[ROW]]).unique()
    held = frame.filter(pl.col(ROW).is_in(rows.implode()))
    return _told("sentinel in the target (stays)", held, name)


def _told(what: str, rows: pl.DataFrame, name: str) -> list[Finding]:
    """Return an entry of a column's rows, with the first of their values."""
    if rows.is_empty():
        return []
    detail = ", ".join(f"{v:g}" for v in rows[name].unique().sort().to_list()[:5])
    return [finding(what, name, detail, rows.height, rows.select(pl.col(ROW).min()).item())]
