"""Categories as one feature each (one-hot), the rare ones together; missing is one of its own.

A category that training did not see is `other` where there is an `other`, else no feature is set.
Not for columns of very many categories that all matter: only the most frequent get a feature.
"""

from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from tasks.core.graph import Graph
from tasks.core.plugins import PluginParams
from tasks.core.prepared import Input, feed
from tasks.core.schema import Column, Columns


class Params(PluginParams):
    """Which categories get a feature."""

    max_categories: int = Field(
        default=32, ge=2, le=1000, description="most features a column, with `other`"
    )
    max_distinct: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="a column with more categories a row is an identifier, left out",
    )
    min_rows: int = Field(
        default=2, ge=1, description="a category in fewer training rows counts as rare"
    )


def accepts(column: Column, dtype: pl.DataType) -> bool:
    """Return whether the column holds categories."""
    return column.type == "category" and not dtype.is_nested()


def fit(frame: pl.DataFrame, columns: Columns, params: Params) -> dict[str, Any]:
    """Return the categories of each column, most frequent first, and whether it has an `other`.

    Constant columns and identifiers are left out.
    """
    fitted = []
    for name in columns:
        texts = frame[name].cast(pl.String).fill_null("")
        counts = (
            texts.alias("value").value_counts().sort(["count", "value"], descending=[True, False])
        )
        if len(counts) == 1 or len(counts) > params.max_distinct * len(frame):
            continue
        frequent = counts.filter(pl.col("count") >= params.min_rows)["value"].to_list()
        frequent = frequent or counts["value"].to_list()
        if len(frequent) > params.max_categories:
            frequent = frequent[: params.max_categories - 1]
        elif len(frequent) == params.max_categories < len(counts):
            frequent = frequent[:-1]
        fitted.append({"name": name, "categories": frequent, "other": len(frequent) < len(counts)})
    return {"columns": fitted}


def transform(frame: pl.DataFrame, state: dict[str, Any]) -> np.ndarray:
    """Return the one-hot features: (n, feature) float32."""
    tensors = feed(frame, inputs(state))
    blocks = []
    for column in state["columns"]:
        texts = tensors[column["name"]][:, 0]
        hot = np.stack([texts == c for c in column["categories"]], axis=1).astype(np.float32)
        blocks.append(hot)
        if column["other"]:
            blocks.append(1 - hot.sum(axis=1, keepdims=True))
    return np.concatenate(blocks, axis=1)


def feature_names(state: dict[str, Any]) -> list[str]:
    """Return the names of the features: `column=category`."""
    return [
        f"{column['name']}={category}"
        for column in state["columns"]
        for category in [
            *(c or "(missing)" for c in column["categories"]),
            *(["(other)"] if column["other"] else []),
        ]
    ]


def inputs(state: dict[str, Any]) -> list[Input]:
    """Return one string a column."""
    return [Input(name=column["name"], dtype="string") for column in state["columns"]]


def to_onnx(state: dict[str, Any], graph: Graph) -> list[str]:
    """Add the recipe to the graph; return its tensors, in the order of `feature_names`."""
    tensors = []
    for column in state["columns"]:
        categories = graph.constant([column["categories"]], str)  # (1, category)
        hot = graph.cast(graph.add("Equal", column["name"], categories), "float32")
        tensors.append(hot)
        if column["other"]:
            known = graph.add("ReduceSum", hot, graph.constant([1], np.int64), keepdims=1)
            tensors.append(graph.add("Sub", graph.constant([[1]], np.float32), known))
    return tensors
