"""Images: uint8 (height, width, channel) to numbers from 0 to 1, flattened in that order."""

from typing import Any, Literal

import numpy as np
import polars as pl

from tasks.core.errors import DataError
from tasks.core.graph import Graph
from tasks.core.plugins import PluginParams
from tasks.core.prepared import Input, feed
from tasks.core.schema import Column, Columns


class Params(PluginParams):
    """What is 1."""

    divisor: Literal["largest", "255"] = (
        "largest"  # largest: the largest value of the training rows
    )


def accepts(column: Column, dtype: pl.DataType) -> bool:
    """Return whether the column holds images of one shape."""
    return isinstance(dtype, pl.Array) and len(dtype.shape) == 3


def fit(frame: pl.DataFrame, columns: Columns, params: Params) -> dict[str, Any]:
    """Return shape and divisor of each column.

    Raises:
        DataError: a row has no image.
    """
    fitted = []
    for name in columns:
        if missing := frame[name].null_count():
            raise DataError(
                f"column {name!r}: {missing} rows have no image; remove these rows (in `validate`, "
                f"`{name}: {{nullable: false}}` puts them into quarantine)"
            )
        values = frame[name].to_numpy()  # (n, height, width, channel)
        divisor = max(int(values.max()), 1) if params.divisor == "largest" else 255
        fitted.append({"name": name, "shape": list(values.shape[1:]), "divisor": divisor})
    return {"columns": fitted}


def transform(frame: pl.DataFrame, state: dict[str, Any]) -> np.ndarray:
    """Return the flattened images: (n, height * width * channel) float32."""
    tensors = feed(frame, inputs(state))
    return np.concatenate(
        [
            tensors[c["name"]].reshape(len(frame), -1).astype(np.float32) / np.float32(c["divisor"])
            for c in state["columns"]
        ],
        axis=1,
    )


def feature_names(state: dict[str, Any]) -> list[str]:
    """Return the names of the features: `column[row,column,channel]`."""
    return [
        f"{c['name']}[{','.join(str(i) for i in index)}]"
        for c in state["columns"]
        for index in np.ndindex(*c["shape"])
    ]


def inputs(state: dict[str, Any]) -> list[Input]:
    """Return one uint8 image a column."""
    return [Input(name=c["name"], dtype="uint8", shape=tuple(c["shape"])) for c in state["columns"]]


def to_onnx(state: dict[str, Any], graph: Graph) -> list[str]:
    """Add the recipe to the graph; return its tensors, in the order of `feature_names`."""
    return [
        graph.add(
            "Div",
            graph.add("Flatten", graph.cast(c["name"], "float32"), axis=1),
            graph.constant(c["divisor"], np.float32),
        )
        for c in state["columns"]
    ]
