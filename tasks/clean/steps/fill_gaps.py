"""Fills short gaps: with the last value, or on a line between both ends; never beyond a duration.

`forward` uses the past alone. `linear` needs the value after the gap, so it is for analysis and for
daily figures, not for the inputs of a forecast. Run it after `resample`: a row that is not there is
not filled. Not for gaps that mean something (the sensor is switched off at night).
"""

from typing import Literal

import polars as pl
from pydantic import Field

from tasks.clean.findings import Finding, finding
from tasks.clean.series import Duration, Measured, clock, groups, in_order, length, measured
from tasks.core.schema import ROW, Column, Columns

SCOPE = "group"
KEEPS_ROWS = True
ONCE = True  # a filled value is a value, from which the next is filled


class Params(Measured):
    """`longest`: since the last value (forward), or between the values on both ends (linear)."""

    method: Literal["forward", "linear"] = "forward"
    longest: Duration = "30m"
    flag: bool = Field(default=False, description="adds a boolean column `<name>_filled`")


def looks_ahead(params: Params) -> str:
    """Return why, where the value after the gap is used."""
    return "a line needs the value after the gap" if params.method == "linear" else ""


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with short gaps filled, and flags where wanted."""
    time, keys = clock(columns, frame, "fill_gaps"), groups(columns)
    schema, made, changed = frame.collect_schema(), dict(columns), []
    within = in_order(frame, keys, time)
    for name in measured(frame, columns, params, "fill_gaps"):
        value = pl.col(name)
        fill = (
            _line(value, time, params) if params.method == "linear" else _last(value, time, params)
        )
        fill = within(fill)
        if params.method == "linear" and schema[name].is_integer():
            value = value.cast(pl.Float64)
            made[name] = columns[name].model_copy(update={"type": "float"})
        changed.append(pl.coalesce(value, fill).alias(name))
        if params.flag:
            flag = f"{name}_filled"
            changed.append((value.is_null() & fill.is_not_null()).alias(flag))
            made[flag] = Column(type="boolean", nullable=False)
    return frame.with_columns(changed), made


def findings(
    before: pl.DataFrame, after: pl.DataFrame, columns: Columns, params: Params
) -> list[Finding]:
    """Return how many values were filled and how many stay missing, by column."""
    found = []
    for name in measured(before.lazy(), columns, params, "fill_gaps"):
        filled = before.filter(before[name].is_null() & after[name].is_not_null())
        left = after.filter(after[name].is_null())
        for what, rows in ((f"filled, {params.method}", filled), ("stays missing", left)):
            if rows.height:
                found.append(finding(what, name, "", rows.height, rows[ROW].min()))
    return found


def _last(value: pl.Expr, time: str, params: Params) -> pl.Expr:
    when = pl.when(value.is_not_null()).then(pl.col(time)).forward_fill()
    return pl.when(pl.col(time) - when <= length(params.longest)).then(value.forward_fill())


def _line(value: pl.Expr, time: str, params: Params) -> pl.Expr:
    known = pl.when(value.is_not_null()).then(pl.col(time))
    begin, end = known.forward_fill(), known.backward_fill()
    share = (pl.col(time) - begin) / (end - begin)
    low, high = value.forward_fill().cast(pl.Float64), value.backward_fill().cast(pl.Float64)
    return pl.when(end - begin <= length(params.longest)).then(low + share * (high - low))
