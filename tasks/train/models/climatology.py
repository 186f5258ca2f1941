"""What the target was at the same time of the season: its quantiles in the training rows.

The forecast that knows the clock and nothing else (Wilks 2019, "Statistical Methods in the
Atmospheric Sciences", section 9.1): far ahead it is hard to beat, and a good member of an
`average`. Not for levels that move.
"""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tasks.core.errors import DataError
from tasks.core.fitting import FitContext, FitData
from tasks.core.graph import Graph, matrix, output_name
from tasks.core.plugins import PluginParams
from tasks.core.sequence import PERIODS_S, Sequence, of
from tasks.train import arrays, conformal, window_trees

TASKS = ("forecast",)
LIBRARIES = ("numpy", "safetensors")
NEEDS_IMAGE = False


class Params(PluginParams):
    """Climatology has no parameters."""


@dataclass(frozen=True)
class Climatology:
    """quantiles: (season, quantile) float64, of each time of the season; start: in steps, from -0.5
    to 0.5, how far the grid is from the season's beginning; offsets: (horizon, quantile) float64,
    added to the quantiles.
    """

    sequence: Sequence
    quantiles: np.ndarray
    start: float
    offsets: np.ndarray


def fit(data: FitData, params: Params, context: FitContext) -> Climatology:
    """Return the quantiles at each time of the season, calibrated on the rows kept back.

    Raises:
        DataError: no cycle that is known in advance is as long as the season.
    """
    sequence = of(data.sequence)
    first = _steps(sequence, data.X[:1])[0, 0]
    start = float(first - np.rint(first))
    times, values = _times(sequence, start, data.X).ravel(), data.y.ravel()
    overall = np.quantile(values, sequence.quantiles)
    order = np.argsort(times, kind="stable")
    ends = np.searchsorted(times[order], np.arange(1, sequence.season))
    found = [
        np.quantile(at_once, sequence.quantiles) if len(at_once) else overall
        for at_once in np.split(values[order], ends)
    ]
    zero = np.zeros((sequence.horizon, len(sequence.quantiles)))
    model = Climatology(sequence, np.stack(found), start, zero)
    kept = predict(model, data.X_stop)
    return replace(model, offsets=conformal.offsets(data.y_stop, kept, sequence.quantiles))


def predict(model: Climatology, X: np.ndarray) -> np.ndarray:
    """Return the quantiles, (n, horizon, quantile) float64, ascending."""
    found = model.quantiles[_times(model.sequence, model.start, X)]
    return conformal.ascending(found + model.offsets, model.sequence.median)


def to_onnx(model: Climatology) -> Any:
    """Return the graph: X -> sine and cosine of each step -> its time -> that time's quantiles."""
    graph, sequence = Graph(), model.sequence
    sine, cosine = (
        graph.add("Gather", "X", graph.constant(columns, np.int64), axis=1)
        for columns in _turning(sequence)
    )
    ahead = graph.add("Atan", graph.add("Div", sine, cosine))
    behind = graph.cast(graph.add("Less", cosine, graph.constant(0.0)), "float32")
    angle = graph.add("Add", ahead, graph.add("Mul", behind, graph.constant(np.pi)))
    steps = graph.add("Mul", angle, graph.constant(sequence.season / (2 * np.pi)))
    nearest = graph.add("Round", graph.add("Sub", steps, graph.constant(model.start)))
    season = graph.constant(sequence.season, np.int64)
    times = graph.add("Mod", graph.cast(nearest, "int64"), season)
    found = graph.add("Gather", graph.constant(model.quantiles), times, axis=0)
    last = window_trees.ascending(graph, found, model.offsets, sequence)
    inputs = matrix(len(sequence.feature_names))
    return graph.model(inputs, last, output_name("forecast"), sequence.outputs)


def _turning(sequence: Sequence) -> list[list[int]]:
    """Return the columns of X with the season's sine, and with its cosine, at each step."""
    known, step = sequence.known, sequence.step_s
    for cycle, period in PERIODS_S.items():
        names = [f"sine of {cycle}", f"cosine of {cycle}"]
        whole = math.isclose(period, sequence.season * step, rel_tol=1e-9)
        if whole and set(names) <= set(known):
            first = np.arange(sequence.horizon) * len(known) + sequence.past_size
            return [(first + known.index(name)).tolist() for name in names]
    raise DataError(
        "climatology: expected among features.forecast.calendar a cycle as long as the season of "
        f"{sequence.season} steps of {step:g} s, found {', '.join(known) or 'none'}; a table that "
        "is shorter than two seasons has none: name it there, or leave the model out"
    )


def _steps(sequence: Sequence, X: np.ndarray) -> np.ndarray:
    """Return how many steps of the season have passed, (n, horizon) float64."""
    sine, cosine = (X[:, columns].astype(np.float64) for columns in _turning(sequence))
    return np.arctan2(sine, cosine) * sequence.season / (2 * np.pi)


def _times(sequence: Sequence, start: float, X: np.ndarray) -> np.ndarray:
    """Return each step's time of the season, (n, horizon) int64, from 0."""
    return np.rint(_steps(sequence, X) - start).astype(np.int64) % sequence.season


def save(model: Climatology, folder: Path) -> None:
    """Write `model.safetensors` and `model.json`."""
    facts = {"sequence": json.loads(model.sequence.model_dump_json()), "start": model.start}
    arrays.save(folder, {"quantiles": model.quantiles, "offsets": model.offsets}, facts)


def load(folder: Path) -> Climatology:
    """Return the saved model."""
    numbers, facts = arrays.load(folder)
    sequence, start = Sequence(**facts["sequence"]), facts["start"]
    return Climatology(sequence, numbers["quantiles"], start, numbers["offsets"])


def importances(model: Climatology) -> np.ndarray:
    """Return equal shares of the columns that tell the time, (feature,)."""
    shares = np.zeros(len(model.sequence.feature_names))
    for columns in _turning(model.sequence):
        shares[columns] = 0.5 / model.sequence.horizon
    return shares


def facts(model: Climatology) -> dict[str, Any]:
    """Return no facts: nothing is iterated."""
    return {}


def curves(model: Climatology) -> dict[str, list[float]]:
    """Return no curves: nothing is iterated."""
    return {}
