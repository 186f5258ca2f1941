"""Forecasts that repeat a value of the window; their interval: the errors made in training."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.core.errors import DataError
from tasks.core.fitting import FitData
from tasks.core.graph import Graph, matrix, output_name
from tasks.core.plugins import PluginParams
from tasks.core.sequence import Sequence
from tasks.train import arrays


@dataclass(frozen=True)
class Naive:
    """steps: (horizon,) int64, the step of the context whose target is repeated; offsets: (horizon,
    quantile) float64, of the errors, 0 for the median.
    """

    sequence: Sequence
    steps: np.ndarray
    offsets: np.ndarray


def fit(data: FitData, sequence: Sequence, steps: np.ndarray) -> Naive:
    """Return the forecast that repeats these steps; nothing but its errors is learnt, of all rows.

    Raises:
        DataError: the context does not reach back so far.
        ParamsError: the target's own past is not seen.
    """
    if (steps < 0).any():
        raise DataError(
            f"features.forecast.context: expected {sequence.context - int(steps.min())} steps or "
            f"more, found {sequence.context}: a season has {sequence.season} steps"
        )
    X, y = np.concatenate([data.X, data.X_stop]), np.concatenate([data.y, data.y_stop])
    errors = y - sequence.target(X)[:, steps]
    offsets = np.quantile(errors, sequence.quantiles, axis=0).T
    offsets[:, sequence.median] = 0.0
    return Naive(sequence, steps, np.sort(offsets, axis=1))


def wants_own_past(params: PluginParams) -> str:
    """Return why the target's own past must be seen."""
    return "it repeats the target's own past"


def predict(model: Naive, X: np.ndarray) -> np.ndarray:
    """Return the quantiles, (n, horizon, quantile) float64."""
    repeated = model.sequence.target(X)[:, model.steps].astype(np.float64)
    return repeated[:, :, None] + model.offsets


def save(model: Naive, folder: Path) -> None:
    """Write `model.safetensors` and `model.json`."""
    facts = {"sequence": json.loads(model.sequence.model_dump_json())}
    arrays.save(folder, {"steps": model.steps, "offsets": model.offsets}, facts)


def load(folder: Path) -> Naive:
    """Return the saved model."""
    numbers, facts = arrays.load(folder)
    return Naive(Sequence(**facts["sequence"]), numbers["steps"], numbers["offsets"])


def to_onnx(model: Naive) -> Any:
    """Return a graph that gathers columns of X: (N, feature) -> (N, horizon * quantile)."""
    graph, sequence = Graph(), model.sequence
    places = graph.constant(model.steps * len(sequence.channels), np.int64)
    repeated = graph.add("Gather", "X", places, axis=1)
    wide = graph.add("Unsqueeze", repeated, graph.constant([2], np.int64))
    moved = graph.add("Add", wide, graph.constant(model.offsets[None]))
    last = graph.add("Reshape", moved, graph.constant([-1, sequence.outputs], np.int64))
    inputs = matrix(len(sequence.feature_names))
    return graph.model(inputs, last, output_name("forecast"), sequence.outputs)
