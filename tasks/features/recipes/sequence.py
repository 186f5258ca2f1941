"""Windows of time: (time, channel) numbers, flattened, each missing one by the last one before it.

Where there is none before it in the window: the channel's mean over the training rows. Not for
channels that miss for long: what is carried on says less and less.
"""

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
    """Return whether the column holds windows of one shape."""
    return isinstance(dtype, pl.Array) and len(dtype.shape) == 2


def fit(frame: pl.DataFrame, columns: Columns, params: Params) -> dict[str, Any]:
    """Return shape and channel means of each column."""
    fitted = []
    for name in columns:
        values = frame[name].to_numpy()  # (n, time, channel)
        with np.errstate(invalid="ignore"):
            known = np.isfinite(values)
            sums = np.where(known, values, 0).sum((0, 1), dtype=np.float64)
            means = sums / np.maximum(known.sum((0, 1)), 1)
        fitted.append({"name": name, "shape": list(values.shape[1:]), "means": means.tolist()})
    return {"columns": fitted}


def transform(frame: pl.DataFrame, state: dict[str, Any]) -> np.ndarray:
    """Return the flattened windows: (n, time * channel) float32 without NaN."""
    tensors = feed(frame, inputs(state))
    parts = []
    for column in state["columns"]:
        filled = carried(tensors[column["name"]])
        means = np.asarray(column["means"], np.float32)
        parts.append(np.where(np.isnan(filled), means, filled).reshape(len(frame), -1))
    return np.concatenate(parts, axis=1)


def carried(windows: np.ndarray) -> np.ndarray:
    """Return windows with each missing value by the last one before it, (n, time, channel)."""
    if not np.isnan(windows).any():
        return windows
    steps = np.arange(windows.shape[1])[None, :, None]
    last = np.maximum.accumulate(np.where(np.isnan(windows), 0, steps), axis=1)
    return np.take_along_axis(windows, last, axis=1)


def feature_names(state: dict[str, Any]) -> list[str]:
    """Return the names of the features: `column[step,channel]`, the last step 0."""
    return [
        f"{c['name']}[{step - c['shape'][0] + 1},{channel}]"
        for c in state["columns"]
        for step, channel in np.ndindex(*c["shape"])
    ]


def inputs(state: dict[str, Any]) -> list[Input]:
    """Return one float32 window a column."""
    return [
        Input(name=c["name"], dtype="float32", shape=tuple(c["shape"])) for c in state["columns"]
    ]


def to_onnx(state: dict[str, Any], graph: Graph) -> list[str]:
    """Add the recipe to the graph; return its tensors, in the order of `feature_names`.

    The place of the last value so far is a running maximum: MaxPool over what came before.
    """
    tensors = []
    for column in state["columns"]:
        name, steps = column["name"], column["shape"][0]
        missing = graph.add("IsNaN", name)
        places = graph.constant(np.arange(steps, dtype=np.float32)[None, :, None])
        there = graph.add("Where", missing, graph.constant(0.0), places)
        by_channel = graph.add("Transpose", there, perm=[0, 2, 1])  # (N, channel, time)
        last = graph.add("MaxPool", by_channel, kernel_shape=[steps], pads=[steps - 1, 0])
        place = graph.cast(graph.add("Transpose", last, perm=[0, 2, 1]), "int64")
        filled = graph.add("GatherElements", name, place, axis=1)
        empty = graph.add("IsNaN", filled)
        means = graph.constant(np.asarray(column["means"], np.float32)[None, None])
        whole = graph.add("Where", empty, means, filled)
        tensors.append(graph.add("Flatten", whole, axis=1))
    return tensors
