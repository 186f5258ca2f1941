"""Gives every column the data type that its declared type means; NaN and infinity become missing.

Infinity stands for "no such value" in real tables (the logarithm of a non-detection, a division by
zero), and no model here can take it. Not to be left out: the steps after it count on it.
"""

from typing import Literal

import polars as pl

from tasks.core.plugins import PluginParams
from tasks.core.schema import ROW, Columns

SCOPE = "row"


class Params(PluginParams):
    """`infinite`: what becomes of +inf and -inf in features: missing, or the row goes."""

    infinite: Literal["missing", "drop"] = "missing"


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with canonical types, without NaN and infinity."""
    schema = frame.collect_schema()
    casts = [
        pl.col(name).cast(wanted)
        for name, column in columns.items()
        if (wanted := _wanted(column.type, schema[name])) is not None
    ]
    frame = frame.with_columns(casts).with_columns(pl.selectors.float().fill_nan(None))
    floats = [
        name
        for name, column in columns.items()
        if column.role == "feature" and (schema[name].is_float() or column.type == "float")
    ]
    if params.infinite == "drop" and floats:
        frame = frame.filter(pl.all_horizontal(~pl.col(floats).is_infinite().fill_null(False)))
    elif floats:
        frame = frame.with_columns(
            pl.when(pl.col(floats).is_finite()).then(pl.col(floats)).otherwise(None)
        )
    return frame.cast({ROW: pl.UInt32}), columns


def _wanted(declared: str | None, found: pl.DataType) -> "pl.DataType | type[pl.DataType] | None":
    """Return the type to cast to, or None where the one found is right as it is."""
    if declared == "float":
        return None if found.is_float() else pl.Float64
    if declared == "integer":
        return None if found.is_integer() else pl.Int64
    if declared in ("category", "text"):
        return None if found == pl.String else pl.String
    if declared == "boolean":
        return None if found == pl.Boolean else pl.Boolean
    if declared == "datetime":
        return pl.Datetime("us") if found == pl.Date else None
    return None
