"""Marks, clips or empties numbers far from the bulk. Off unless asked for: it may be the finding.

Limits: Tukey's fences, quartiles -+ `factor` x interquartile range (Exploratory Data Analysis,
1977), or the median -+ `factor` x 1.4826 x median absolute deviation (Leys et al. 2013). They are
taken over the whole table, the judged part included: robust quantiles hardly depend on it, but
strictly that is fitting before the split. Give `limits` where that matters.

Not for skewed counts and amounts, where the fences cut off what is ordinary. `missing` is the one
action that is not the same done twice: with fewer values the fences are narrower.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from tasks.core.frames import require_columns
from tasks.core.plugins import PluginParams
from tasks.core.schema import Column, Columns

MAD_TO_SIGMA = 1.4826  # of a normal distribution


class Params(PluginParams):
    """`columns`: which; empty for all numeric features. `limits`: low and high by column."""

    action: Literal["none", "flag", "clip", "missing"] = "none"
    method: Literal["iqr", "mad"] = "iqr"
    factor: float = Field(default=3.0, ge=1, le=100)
    columns: list[str] = Field(default=[])
    limits: dict[str, tuple[float, float]] = Field(default={})


def looks_ahead(params: Params) -> str:
    """Return why, where the limits are taken from the whole table."""
    given = params.limits or params.action == "none"
    return "" if given else "limits are those of the whole table; give `limits`"


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with outliers treated; `flag` adds a boolean column `<name>_outlier`."""
    require_columns("clean.steps.outliers.columns", [*params.columns, *params.limits], columns)
    if params.action == "none":
        return frame, columns
    schema = frame.collect_schema()
    asked = {*params.columns, *params.limits}
    names = [
        name
        for name, column in columns.items()
        if column.role == "feature"
        and schema[name].is_numeric()
        and (name in asked if asked else True)
    ]
    made = dict(columns)
    expressions = []
    for name in names:
        value = pl.col(name)
        low, high = _limits(value, params, name)
        outside = (value < low) | (value > high)
        if params.action == "flag":
            flag = f"{name}_outlier"
            expressions.append(outside.fill_null(False).alias(flag))
            made[flag] = Column.model_validate({"type": "boolean", "nullable": False})
        elif params.action == "clip":
            clipped = pl.when(value < low).then(low).when(value > high).then(high).otherwise(value)
            expressions.append(clipped.cast(schema[name]).alias(name))
        else:
            expressions.append(pl.when(outside).then(None).otherwise(value).alias(name))
    return frame.with_columns(expressions), made


def _limits(value: pl.Expr, params: Params, name: str) -> tuple[pl.Expr, pl.Expr]:
    if name in params.limits:
        low, high = params.limits[name]
        return pl.lit(low), pl.lit(high)
    if params.method == "mad":
        middle = value.median()
        spread = (value - middle).abs().median() * MAD_TO_SIGMA
        return middle - params.factor * spread, middle + params.factor * spread
    low, high = value.quantile(0.25, "linear"), value.quantile(0.75, "linear")
    spread = high - low
    return low - params.factor * spread, high + params.factor * spread
