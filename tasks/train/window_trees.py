"""Boosted trees of a forecast: one booster a quantile on the features of windows, calibrated.

Direct forecasts: the step of the horizon is a feature, so that one booster does for all of them
(Taieb & Hyndman 2014, "Boosting multi-step autoregressive forecasts").
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tasks.core import progress, tree_graph
from tasks.core import trees as forest
from tasks.core.fitting import FitContext, FitData
from tasks.core.graph import Graph, matrix, output_name
from tasks.core.plugins import PluginParams
from tasks.core.sequence import Sequence, of
from tasks.train import arrays, conformal, window_features
from tasks.train.window_features import Layout

ROWS = 200_000  # that a booster is fitted on, about: of long horizons some steps of each origin
AT_ONCE = 50_000  # rows predicted at once

Boost = Callable[[FitData, float], Any]  # rows of a step, level -> a model of the plugin
Predict = Callable[[Any, np.ndarray], np.ndarray]  # a model of the plugin, rows -> (n,)


class Params(PluginParams):
    """What trees see of a window."""

    summaries: bool = Field(
        default=True,
        description="of a forecast: whether means and spreads of the recent past are features; by "
        "them trees tell days apart, which is learning by heart where days are few",
    )


@dataclass(frozen=True)
class WindowTrees:
    """The boosters by quantile, as models of their plugin, and what is added to each quantile.

    offsets: (horizon, quantile) float64; layout: what they see of a window.
    """

    task: str
    layout: Layout
    members: list[Any]
    offsets: np.ndarray

    @property
    def sequence(self) -> Sequence:
        """Return the windows that it is of."""
        return self.layout.sequence


def fit(
    data: FitData, context: FitContext, boost: Boost, of_member: Predict, summaries: bool
) -> WindowTrees:
    """Return the boosters of all quantiles, calibrated on the rows kept back."""
    sequence = of(data.sequence)
    layout, random = Layout(sequence, summaries), np.random.default_rng(context.seed)
    rows = _rows(layout, data, random)
    members = []
    for at, level in enumerate(sequence.quantiles):
        levels = len(sequence.quantiles)
        with progress.within(at / levels, (at + 1) / levels, f"quantile {level:g}"):
            members.append(boost(rows, level))
    zero = np.zeros((sequence.horizon, len(sequence.quantiles)))
    model = WindowTrees("forecast", layout, members, zero)
    found = predict(model, data.X_stop, of_member)
    return replace(model, offsets=conformal.offsets(data.y_stop, found, sequence.quantiles))


def _rows(layout: Layout, data: FitData, random: np.random.Generator) -> FitData:
    """Return a row a step: all steps of a short horizon, else some drawn for each origin."""

    def made(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        count = min(layout.sequence.horizon, max(1, ROWS // max(len(X), 1)))
        if count == layout.sequence.horizon:
            return window_features.rows(layout, X), y.ravel()
        every = np.tile(np.arange(y.shape[1]), (len(y), 1))
        steps = np.sort(random.permuted(every, axis=1)[:, :count], axis=1)
        return window_features.rows(layout, X, steps), np.take_along_axis(y, steps, 1).ravel()

    X, y = made(data.X, data.y)
    X_stop, y_stop = made(data.X_stop, data.y_stop)
    names = [name for name, _ in layout.columns()]
    return FitData(X, y, X_stop, y_stop, task="regression", feature_names=names)


def predict(model: WindowTrees, X: np.ndarray, of_member: Predict) -> np.ndarray:
    """Return the quantiles, (n, horizon, quantile) float64, ascending."""
    sequence, layout = model.sequence, model.layout
    found = np.zeros((len(X), sequence.horizon, len(sequence.quantiles)))
    step = max(1, AT_ONCE // sequence.horizon)
    for start in range(0, len(X), step):
        rows = window_features.rows(layout, X[start : start + step])
        for at, member in enumerate(model.members):
            values = of_member(member, rows)
            found[start : start + step, :, at] = values.reshape(-1, sequence.horizon)
    return conformal.ascending(found + model.offsets, sequence.median)


def to_onnx(model: WindowTrees, trees_of: Callable[[Any], tuple[list, float]], strict: bool) -> Any:
    """Return the graph: X -> features -> one ensemble -> quantiles (N, horizon * quantile).

    trees_of: member -> its single trees, and its base score.
    """
    sequence, graph = model.sequence, Graph()
    levels = len(sequence.quantiles)
    rows = window_features.add(model.layout, graph)
    found = [trees_of(member) for member in model.members]
    single = [tree for trees, _ in found for tree in trees]
    target = np.repeat(np.arange(levels), [len(trees) for trees, _ in found])
    base = np.array([base for _, base in found], np.float64)
    trees = forest.join(single, target, strict=strict)
    sums = tree_graph.add(graph, rows, trees, levels, base, "identity")
    shaped = graph.add("Reshape", sums, graph.constant([-1, sequence.horizon, levels], np.int64))
    last = ascending(graph, shaped, model.offsets, sequence)
    return graph.model(
        matrix(len(sequence.feature_names)), last, output_name(model.task), sequence.outputs
    )


def ascending(graph: Graph, quantiles: str, offsets: np.ndarray, sequence: Sequence) -> str:
    """Return quantiles (N, horizon, quantile) with offsets, uncrossed: (N, horizon * quantile)."""
    moved = graph.add("Add", quantiles, graph.constant(offsets[None]))
    levels, median = len(sequence.quantiles), sequence.median

    def at(place: int) -> str:
        return graph.add("Gather", moved, graph.constant([place], np.int64), axis=2)

    columns = {median: at(median)}
    for place in range(median + 1, levels):
        columns[place] = graph.add("Max", at(place), columns[place - 1])
    for place in range(median - 1, -1, -1):
        columns[place] = graph.add("Min", at(place), columns[place + 1])
    ordered = [columns[place] for place in range(levels)]
    joined = graph.add("Concat", *ordered, axis=2) if levels > 1 else ordered[0]
    return graph.add("Reshape", joined, graph.constant([-1, sequence.outputs], np.int64))


def save(model: WindowTrees, folder: Path, of_member: Callable[[Any, Path], None]) -> None:
    """Write each booster into a folder of its own, and what they share."""
    for at, member in enumerate(model.members):
        own = folder / f"quantile_{at}"
        own.mkdir()
        of_member(member, own)
    sequence = json.loads(model.sequence.model_dump_json())
    facts = {"task": model.task, "sequence": sequence, "summaries": model.layout.summaries}
    arrays.save(folder, {"offsets": model.offsets}, facts)


def saved(folder: Path) -> bool:
    """Return whether a folder holds boosters of a forecast."""
    return (folder / "quantile_0").exists()


def load(folder: Path, of_member: Callable[[Path], Any]) -> WindowTrees:
    """Return the saved model."""
    numbers, facts = arrays.load(folder)
    sequence = Sequence(**facts["sequence"])
    members = [of_member(folder / f"quantile_{at}") for at in range(len(sequence.quantiles))]
    layout = Layout(sequence, facts["summaries"])
    return WindowTrees(facts["task"], layout, members, numbers["offsets"])


def importances(model: WindowTrees, of_member: Callable[[Any], np.ndarray]) -> np.ndarray:
    """Return the median booster's gains as shares of the columns of X, (feature,)."""
    gains = of_member(model.members[model.sequence.median])
    return window_features.shares(model.layout, gains, len(model.sequence.feature_names))


def changed(model: WindowTrees, of_member: Callable[[Any], Any]) -> WindowTrees:
    """Return the model with each booster changed; what is added to the quantiles stays."""
    return replace(model, members=[of_member(member) for member in model.members])


def middle(model: Any) -> Any:  # a model of whichever plugin
    """Return the median's booster of a forecast; any other model itself."""
    return model.members[model.sequence.median] if isinstance(model, WindowTrees) else model
