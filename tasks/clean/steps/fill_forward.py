"""Fills gaps in a time series with the last value, over at most `limit` rows, within each group.

Only the past is used, so nothing leaks. Not for tables without time, nor for gaps that mean
something.
"""

import polars as pl
from pydantic import Field

from tasks.core.errors import ParamsError
from tasks.core.frames import require_columns
from tasks.core.plugins import PluginParams
from tasks.core.schema import ROW, Columns, by_role

SCOPE = "group"
KEEPS_ROWS = True


class Params(PluginParams):
    """`columns`: which; empty for all numeric and boolean features. `limit`: rows, not time."""

    columns: list[str] = Field(default=[])
    limit: int = Field(default=5, ge=1)


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with short gaps filled; rows stay in their order.

    Raises:
        ParamsError: there is no time column, or a column cannot be filled.
    """
    require_columns("clean.steps.fill_forward.columns", params.columns, columns)
    times, groups = by_role(columns, "time"), by_role(columns, "group")
    if not times:
        raise ParamsError(
            "clean.steps.fill_forward: no column has the role `time` to order the rows by"
        )
    if wrong := [name for name in params.columns if columns[name].role != "feature"]:
        raise ParamsError(f"clean.steps.fill_forward.columns: {', '.join(wrong)}: not features")
    schema = frame.collect_schema()
    names = params.columns or [
        name
        for name, column in columns.items()
        if column.role == "feature" and (schema[name].is_numeric() or schema[name] == pl.Boolean)
    ]
    order = [*times, ROW]
    filled = pl.col(names).forward_fill(limit=params.limit)
    if groups:
        return frame.with_columns(filled.over(groups, order_by=order)), columns
    return frame.with_columns(filled.over(order_by=order)), columns
