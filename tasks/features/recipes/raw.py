"""Numbers as they are: for a model that was fitted elsewhere, on columns in the table's order.

Used only where params name it, in place of the others. Not for models that are fitted here: nothing
is scaled, and a missing value is an error, or goes in as NaN.
"""

from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from tasks.core.errors import DataError
from tasks.core.graph import Graph
from tasks.core.plugins import PluginParams
from tasks.core.prepared import Input, feed
from tasks.core.schema import Column, Columns

DEFAULT = False  # used only where params name it


class Params(PluginParams):
    """What becomes of missing values."""

    missing: bool = Field(
        default=False, description="whether the model takes missing values, as NaN; else an error"
    )


def accepts(column: Column, dtype: pl.DataType) -> bool:
    """Return whether the column holds numbers, or yes and no."""
    return column.type in ("float", "integer", "boolean") and (
        dtype.is_numeric() or dtype == pl.Boolean
    )


def fit(frame: pl.DataFrame, columns: Columns, params: Params) -> dict[str, Any]:
    """Return the names of the columns, in their order.

    Raises:
        DataError: a value is missing.
    """
    for name in columns:
        if (missing := frame[name].null_count()) and not params.missing:
            raise DataError(
                f"column {name!r}: {missing} values are missing, and the recipe `raw` fills none; "
                "fill them in the file, or give the column the role `ignore`"
            )
    return {"columns": list(columns)}


def transform(frame: pl.DataFrame, state: dict[str, Any]) -> np.ndarray:
    """Return the columns side by side, (n, column) float32."""
    tensors = feed(frame, inputs(state))
    return np.concatenate([tensors[name] for name in state["columns"]], axis=1)


def feature_names(state: dict[str, Any]) -> list[str]:
    """Return the names of the columns."""
    return list(state["columns"])


def inputs(state: dict[str, Any]) -> list[Input]:
    """Return one number a column."""
    return [Input(name=name, dtype="float32") for name in state["columns"]]


def to_onnx(state: dict[str, Any], graph: Graph) -> list[str]:
    """Return the inputs themselves, in their order."""
    return [graph.add("Identity", name) for name in state["columns"]]
