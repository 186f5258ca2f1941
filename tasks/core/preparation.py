"""The fitted preparation, composed of recipes: columns in, the matrix X out; also as ONNX."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.core.errors import DataError
from tasks.core.plugins import Plugin, plugin
from tasks.core.prepared import Input
from tasks.core.schema import Columns

State = dict[str, Any]


def fit(frame: pl.DataFrame, columns: Columns, recipes: list[Plugin]) -> State:
    """Return the preparation fitted on the rows of `frame`: a dict that JSON can hold.

    `columns` are the candidates for features; each goes to the first recipe that accepts it.
    What is left out, and why, stands in `notes`.

    Raises:
        DataError: no feature column is left.
    """
    chosen: dict[str, Columns] = {recipe.name: {} for recipe in recipes}
    notes = []
    schema = frame.schema  # asking for it costs a pass over all columns
    for name, column in columns.items():
        if frame[name].null_count() == len(frame):
            notes.append(f"{name}: left out, every value is missing in the training rows")
            continue
        for recipe in recipes:
            if recipe.module.accepts(column, schema[name]):
                chosen[recipe.name][name] = column
                break
        else:
            notes.append(f"{name}: left out, no recipe takes a column of type {column.type}")
    fitted = []
    for recipe in recipes:
        if not chosen[recipe.name]:
            continue
        state = recipe.module.fit(frame, chosen[recipe.name], recipe.typed)
        kept = {i.name for i in recipe.module.inputs(state)}
        notes += [
            f"{name}: left out, the recipe {recipe.name} finds nothing to use in the training rows"
            for name in chosen[recipe.name]
            if name not in kept
        ]
        if kept:
            fitted.append({"name": recipe.name, "params": recipe.params, "state": state})
    if not fitted:
        reasons = "; ".join(notes) or "the table has no column of role feature"
        raise DataError(
            f"no feature column is left: {reasons}. Give at least one column the role `feature` "
            "and a type other than text."
        )
    return {"recipes": fitted, "notes": notes}


def _parts(state: State) -> list[tuple[Any, State]]:
    return [(plugin("recipe", part["name"]), part["state"]) for part in state["recipes"]]


def transform(frame: pl.DataFrame, state: State) -> np.ndarray:
    """Return X of a frame's rows: (n, feature) float32 without NaN."""
    blocks = [module.transform(frame, part) for module, part in _parts(state)]
    return np.ascontiguousarray(np.concatenate(blocks, axis=1), dtype=np.float32)


def feature_names(state: State) -> list[str]:
    """Return the names of the columns of X."""
    return [name for module, part in _parts(state) for name in module.feature_names(part)]


def inputs(state: State) -> list[Input]:
    """Return the graph's inputs: the columns that are used."""
    return [spec for module, part in _parts(state) for spec in module.inputs(part)]


def image_shape(state: State) -> tuple[int, int, int] | None:
    """Return (height, width, channel) where a row of X is one flattened image, else None."""
    specs = inputs(state)
    if len(specs) == 1 and len(specs[0].shape) == 3:
        height, width, channel = specs[0].shape
        return height, width, channel
    return None


def recipes(state: State) -> list[Plugin]:
    """Return the recipes with the params they were fitted with."""
    return [
        Plugin(kind="recipe", name=part["name"], params=part["params"]) for part in state["recipes"]
    ]


def to_onnx(state: State) -> Any:
    """Return the preparation as an `onnx.ModelProto`: the inputs -> X (N, feature) float32."""
    from tasks.core.graph import Graph

    graph = Graph("prepare_")
    blocks = [tensor for module, part in _parts(state) for tensor in module.to_onnx(part, graph)]
    return graph.model(inputs(state), graph.joined(blocks), "X", len(feature_names(state)))


def save(state: State, path: Path) -> None:
    """Write the fitted preparation as JSON."""
    path.write_text(
        json.dumps(state, indent=1, ensure_ascii=False, sort_keys=True, allow_nan=False)
    )


def load(path: Path) -> State:
    """Return the fitted preparation that `save` wrote."""
    return json.loads(path.read_text())
