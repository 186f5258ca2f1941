"""Predicts the training mean, or the frequencies of the classes: what any model must beat."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.core.fitting import FitContext, FitData
from tasks.core.graph import Graph, matrix, output_name
from tasks.core.plugins import PluginParams
from tasks.train import arrays

TASKS = ("regression", "classification")
LIBRARIES = ("numpy", "safetensors")
NEEDS_IMAGE = False


class Params(PluginParams):
    """The baseline has no parameters."""


@dataclass(frozen=True)
class Baseline:
    """`constant`: (1,) the mean, or (k,) the class frequencies; float64."""

    task: str
    features: int
    constant: np.ndarray


def fit(data: FitData, params: Params, context: FitContext) -> Baseline:
    """Return the mean or the class frequencies of the rows fitted on."""
    if data.task == "regression":
        constant = np.array([data.y.mean()])
    else:
        constant = np.bincount(data.y, minlength=data.n_classes) / len(data.y)
    return Baseline(data.task, data.X.shape[1], constant)


def predict(model: Baseline, X: np.ndarray) -> np.ndarray:
    """Return the constant for every row: (n,) values or (n, k) probabilities."""
    rows = np.tile(model.constant, (len(X), 1))
    return rows[:, 0] if model.task == "regression" else rows


def save(model: Baseline, folder: Path) -> None:
    """Write `model.safetensors` and `model.json`."""
    arrays.save(
        folder, {"constant": model.constant}, {"task": model.task, "features": model.features}
    )


def load(folder: Path) -> Baseline:
    """Return the saved model."""
    numbers, facts = arrays.load(folder)
    return Baseline(facts["task"], facts["features"], numbers["constant"])


def to_onnx(model: Baseline) -> Any:
    """Return a graph that repeats the constant for each row of X."""
    graph = Graph()
    rows = graph.add("Shape", "X", start=0, end=1)
    shape = graph.add("Concat", rows, graph.constant([model.constant.size], np.int64), axis=0)
    last = graph.add("Expand", graph.constant(model.constant[None]), shape)
    inputs = matrix(model.features)
    return graph.model(inputs, last, output_name(model.task), model.constant.size)


def importances(model: Baseline) -> None:
    """Return None: no feature is used."""


def curves(model: Baseline) -> dict[str, list[float]]:
    """Return no curves: nothing is iterated."""
    return {}
