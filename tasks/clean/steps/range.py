"""Treats numbers outside the range that makes sense: missing, at the limit, or without their row.

For sentinels (-9999) and physical limits. `columns` of the workload have `min` and `max` too:
`validate` quarantines rows outside those; the limits given here are for what is known to occur.
"""

from typing import Literal

import polars as pl
from pydantic import Field, model_validator

from tasks.core.errors import ParamsError
from tasks.core.frames import require_columns
from tasks.core.plugins import PluginParams
from tasks.core.schema import Columns

SCOPE = "row"


class Range(PluginParams):
    """The limits of a column, inclusive; null: none."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        return self


class Params(PluginParams):
    """`limits` by column, before those of `columns`; `outside`: what becomes of the rest."""

    limits: dict[str, Range] = Field(default={})
    outside: Literal["missing", "clip", "drop"] = "missing"


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with every number inside its limits, or missing.

    Raises:
        ParamsError: limits for columns that are not there or not numbers, or a target made missing.
    """
    schema = frame.collect_schema()
    check("range", params.limits, columns, schema, empties=params.outside == "missing")
    changed, kept = [], []
    for name, (low, high) in _limits(columns, schema, params).items():
        value = pl.col(name)
        inside = value.is_between(
            low if low is not None else float("-inf"), high if high is not None else float("inf")
        )
        if params.outside == "drop":
            kept.append(inside | value.is_null())
        elif params.outside == "clip":
            changed.append(value.clip(low, high).cast(schema[name]))
        else:
            changed.append(pl.when(inside).then(value).otherwise(None).alias(name))
    if kept:
        frame = frame.filter(pl.all_horizontal(kept))
    return frame.with_columns(changed), columns


def check(
    step: str, limits: dict[str, Range], columns: Columns, schema: pl.Schema, empties: bool
) -> None:
    """Check that limits are of numbers, and of columns that may be made missing, if they are.

    Raises:
        ParamsError: they are not.
    """
    where = f"clean.steps.{step}.limits"
    require_columns(where, limits, columns)
    problems = [
        f"{where}.{name}: {schema[name]} has no range"
        for name in limits
        if not schema[name].is_numeric()
    ]
    problems += [
        f"{where}.{name}: a {columns[name].role} cannot be made missing; use `range` with "
        "`outside: drop`, or `clip`"
        for name in limits
        if empties and columns[name].role in ("target", "time", "group", "split")
    ]
    if problems:
        raise ParamsError("\n".join(problems))


def _limits(
    columns: Columns, schema: pl.Schema, params: Params
) -> dict[str, tuple[float | None, float | None]]:
    found = {}
    for name, column in columns.items():
        own = params.limits.get(name)
        if own is None and (column.role != "feature" or not schema[name].is_numeric()):
            continue
        low, high = (own.min, own.max) if own else (column.min, column.max)
        if low is not None or high is not None:
            found[name] = (low, high)
    return found
