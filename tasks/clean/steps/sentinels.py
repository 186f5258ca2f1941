"""Makes numbers missing that stand for "no value": declared ones, the usual ones, impossible zeros.

A usual sentinel (-9999, 65535 ...) counts only where it lies far from all else in its series: 999
among 990 and 1005 is a measurement. 0 is impossible for humidity, air pressure and CO2. Long runs
at the very top or bottom of a sensor's range are reported as saturated, and stay unless told.
Not for tables where such a number is a code with a meaning of its own: make it a category.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from tasks.clean.findings import Finding, emptied, finding
from tasks.clean.quantities import NEVER_ZERO, kind_of
from tasks.clean.series import Measured, groups, measured, over
from tasks.core.schema import ROW, Columns, by_role

SCOPE = "group"
USUAL = (-9999.0, -999.0, -99.0, -99999.0, -999.9, -9999.9, -32768.0, -127.0, 999.0, 9999.0)
USUAL += (99999.0, 999.9, 9999.9, 32767.0, 65535.0, 65534.0, 2147483647.0, 4294967295.0)
FAR = 3.0  # spreads from the bulk
BULK = (0.01, 0.99)  # quantiles that hold it


class Params(Measured):
    """`values`: what stands for "no value" in every column, wherever it lies."""

    values: list[float] = Field(default=[])
    by_column: dict[str, list[float]] = Field(default={}, description="more, of one column")
    detect: bool = Field(default=True, description="the usual ones, where they lie far from all")
    zeros: bool = Field(default=True, description="0 of humidity, pressure and CO2")
    saturated: Literal["report", "missing"] = Field(
        default="report", description="runs of the largest or smallest value"
    )
    run: int = Field(default=60, ge=3, description="values in a row that make such a run")


def looks_ahead(params: Params) -> str:
    """Return why: what lies far from the bulk is seen in the whole series."""
    return (
        "whether a value lies far from all is judged on the whole series" if params.detect else ""
    )


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with sentinels made missing."""
    keys, expressions = groups(columns), []
    for name in measured(frame, columns, params, "sentinels"):
        value = pl.col(name)
        gone = value.is_in([*params.values, *params.by_column.get(name, [])])
        if params.detect:
            gone = gone | _far(value, keys)
        if params.zeros and kind_of(name, columns[name].unit) in NEVER_ZERO:
            gone = gone | (value == 0)
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
    if left := by_role(columns, "target"):
        found += [] if params.target else _in_target(before, left[0], groups(columns))
    return found


def _far(value: pl.Expr, keys: list[str]) -> pl.Expr:
    """Return whether a value is a usual sentinel, far from the bulk of its series without those.

    A series of nothing else has no bulk; all of it is far.
    """
    candidate = value.is_in(list(USUAL))
    rest = value.filter(~candidate)
    low, high = (over(rest.quantile(q, "nearest"), keys) for q in BULK)
    reach = FAR * (high - low).clip(lower_bound=1.0)
    return candidate & ((value < low - reach) | (value > high + reach) | low.is_null())


def _saturated(value: pl.Expr, keys: list[str], run: int) -> pl.Expr:
    """Return whether a value is part of a long run of the extreme of its series; 0 is none."""
    extreme = (value == over(value.max(), keys)) | (value == over(value.min(), keys))
    changes = over(value.max() != value.min(), keys)
    identity = over(value.rle_id(), keys)
    length = pl.len().over([*keys, identity])
    return extreme & (value != 0) & changes & (length >= run)


def _runs(frame: pl.DataFrame, names: list[str], keys: list[str], run: int) -> list[Finding]:
    found = []
    for name in names:
        held = frame.filter(_saturated(pl.col(name), keys, run))
        if held.height:
            detail = ", ".join(f"{v:g}" for v in held[name].unique().sort().to_list()[:5])
            first = held.select(pl.col(ROW).min()).item()
            found.append(finding("saturated (stays)", name, detail, held.height, first))
    return found


def _in_target(frame: pl.DataFrame, name: str, keys: list[str]) -> list[Finding]:
    """Return sentinels in a target, which is left as it is."""
    if not frame.schema[name].is_numeric():
        return []
    held = frame.filter(_far(pl.col(name), keys))
    if held.is_empty():
        return []
    detail = ", ".join(f"{v:g}" for v in held[name].unique().sort().to_list()[:5])
    first = held.select(pl.col(ROW).min()).item()
    return [finding("sentinel in the target (stays)", name, detail, held.height, first)]
