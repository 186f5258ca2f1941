"""True and false as 1 and 0; a missing one as the more frequent, flagged where training had any."""

from typing import Any

import numpy as np
import polars as pl

from tasks.core.graph import Graph
from tasks.core.plugins import PluginParams
from tasks.core.prepared import Input, feed
from tasks.core.schema import Column, Columns


class Params(PluginParams):
    """None."""


def accepts(column: Column, dtype: pl.DataType) -> bool:
    """Return whether the column is boolean."""
    return dtype == pl.Boolean


def fit(frame: pl.DataFrame, columns: Columns, params: Params) -> dict[str, Any]:
    """Return the more frequent value of each column, and whether training had missing ones.

    Constant columns are left out.
    """
    return {
        "columns": [
            {
                "name": name,
                "fill": float(frame[name].sum() * 2 > frame[name].count()),
                "flag": frame[name].null_count() > 0,
            }
            for name in columns
            if frame[name].n_unique() > 1
        ]
    }


def transform(frame: pl.DataFrame, state: dict[str, Any]) -> np.ndarray:
    """Return the values and the flags: (n, feature) float32."""
    tensors = feed(frame, inputs(state))
    raw = np.concatenate([tensors[c["name"]] for c in state["columns"]], axis=1)
    missing = np.isnan(raw)
    flags = missing[:, _flagged(state)].astype(np.float32)
    return np.concatenate([np.where(missing, _fill(state), raw), flags], axis=1)


def _fill(state: dict[str, Any]) -> np.ndarray:
    return np.array([[c["fill"] for c in state["columns"]]], dtype=np.float32)


def _flagged(state: dict[str, Any]) -> list[int]:
    return [i for i, c in enumerate(state["columns"]) if c["flag"]]


def feature_names(state: dict[str, Any]) -> list[str]:
    """Return the names of the features: the columns, then the flags."""
    names = [c["name"] for c in state["columns"]]
    return names + [f"{names[i]}_missing" for i in _flagged(state)]


def inputs(state: dict[str, Any]) -> list[Input]:
    """Return one number a column: 0, 1 or NaN."""
    return [Input(name=c["name"], dtype="float32") for c in state["columns"]]


def to_onnx(state: dict[str, Any], graph: Graph) -> list[str]:
    """Add the recipe to the graph; return its tensors, in the order of `feature_names`."""
    raw = graph.joined([c["name"] for c in state["columns"]])
    missing = graph.add("IsNaN", raw)
    tensors = [graph.add("Where", missing, graph.constant(_fill(state)), raw)]
    if where := _flagged(state):
        flag = graph.cast(missing, "float32")
        tensors.append(graph.add("Gather", flag, graph.constant(where, np.int64), axis=1))
    return tensors
