"""A random forest (Breiman 2001, Machine Learning 45): the mean of trees on bootstrap samples.

Leaves are bounded, which bounds the file too. Not where a small file or fast single rows matter
most: boosted trees reach the same with fewer nodes. On a GPU through cuML.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tasks.core import progress, tree_graph
from tasks.core import trees as forest
from tasks.core.fitting import FitContext, FitData
from tasks.core.graph import output_name
from tasks.core.plugins import PluginParams
from tasks.core.trees import Trees
from tasks.train import arrays, gpu, sklearn_trees

TASKS = ("regression", "classification")
LIBRARIES = ("numpy", "safetensors", "scikit-learn", "cuml-cu13", "cuml-cu12")
NEEDS_IMAGE = False
BATCHES = 10  # the forest grows in as many steps, each of which is reported


class Params(PluginParams):
    """Number of trees and their size."""

    trees: int = Field(default=100, ge=1, le=5000, description="number of trees")
    max_leaves: int = Field(
        default=256, ge=2, le=65536, description="of one tree; bounds the file's size"
    )
    min_leaf: int = Field(default=2, ge=1, description="rows a leaf must have")
    feature_share: float = Field(
        default=0.35, gt=0, le=1, description="share of the features looked at for a split"
    )


@dataclass(frozen=True)
class Forest:
    """Trees whose values are already divided by their number; shares: (feature,) importances."""

    task: str
    features: int
    width: int
    trees: Trees
    shares: np.ndarray
    estimator: str


def fit(data: FitData, params: Params, context: FitContext) -> Forest:
    """Return the fitted forest; the rows for early stopping are not used."""
    grow = _grow_cuml if context.device == "cuda" else _grow
    trees, shares, estimator = grow(data, params, context)
    width = _width(data)
    return Forest(data.task, data.X.shape[1], width, trees, shares, estimator)


def _width(data: FitData) -> int:
    return 1 if data.task == "regression" else data.n_classes


def _grow(data: FitData, params: Params, context: FitContext):
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kind: Any = RandomForestRegressor if data.task == "regression" else RandomForestClassifier
    estimator = kind(
        n_estimators=0,
        max_leaf_nodes=params.max_leaves,
        min_samples_leaf=params.min_leaf,
        max_features=params.feature_share,
        random_state=context.seed,
        n_jobs=context.threads,
        warm_start=True,
    )
    steps = min(BATCHES, params.trees)
    for step in range(1, steps + 1):
        estimator.n_estimators = round(params.trees * step / steps)
        estimator.fit(data.X, data.y)
        progress.report(step / steps, f"{estimator.n_estimators} of {params.trees} trees")
    width = _width(data)
    columns = estimator.classes_ if data.task == "classification" else np.array([0])
    single = [
        sklearn_trees.of_tree(e.tree_, columns, width, params.trees) for e in estimator.estimators_
    ]
    trees = forest.join(single, np.zeros(len(single)), strict=False)
    return trees, estimator.feature_importances_, kind.__name__


def _grow_cuml(data: FitData, params: Params, context: FitContext):
    ensemble = gpu.cuml("ensemble")
    regression = data.task == "regression"
    kind = ensemble.RandomForestRegressor if regression else ensemble.RandomForestClassifier
    estimator = kind(
        n_estimators=params.trees,
        max_leaves=params.max_leaves,
        max_depth=32,
        min_samples_leaf=params.min_leaf,
        max_features=params.feature_share,
        random_state=context.seed,
        n_streams=1,  # more are faster, and not reproducible
    )
    y = data.y.astype(np.float32 if regression else np.int32)
    present = np.array([0]) if regression else np.unique(data.y)
    if not regression:
        y = np.searchsorted(present, data.y).astype(np.int32)
    estimator.fit(data.X, y)
    width = _width(data)
    single = _treelite_trees(estimator, present, width, params.trees)
    trees = forest.join(single, np.zeros(len(single)), strict=False)
    return trees, _split_shares(trees, data.X.shape[1]), f"cuml {kind.__name__}"


def _treelite_trees(estimator: Any, columns: np.ndarray, width: int, count: int):
    """Return cuML's trees, read from the JSON of their treelite form."""
    import json

    model = (
        estimator.as_treelite()
        if hasattr(estimator, "as_treelite")
        else estimator.convert_to_treelite_model()
    )
    single = []
    for tree in json.loads(model.dump_as_json())["trees"]:
        nodes = sorted(tree["nodes"], key=lambda node: node["node_id"])
        place = {node["node_id"]: i for i, node in enumerate(nodes)}
        values = np.zeros((len(nodes), width))
        for i, node in enumerate(nodes):
            if "leaf_value" in node:
                values[i, columns] = np.asarray(node["leaf_value"]) / count
        single.append(
            {
                "feature": np.array([n.get("split_feature_id", forest.LEAF) for n in nodes]),
                "threshold": np.array([n.get("threshold", 0.0) for n in nodes]),
                "left": np.array([place.get(n.get("left_child"), 0) for n in nodes]),
                "right": np.array([place.get(n.get("right_child"), 0) for n in nodes]),
                "values": values,
            }
        )
    return single


def _split_shares(trees: Trees, features: int) -> np.ndarray:
    used = np.bincount(trees.feature[trees.feature != forest.LEAF], minlength=features)
    return used / max(used.sum(), 1)


def predict(model: Forest, X: np.ndarray) -> np.ndarray:
    """Return (n,) values or (n, k) probabilities, float64."""
    sums = forest.total(model.trees, X, model.width)
    if model.task == "regression":
        return sums[:, 0]
    return sums / sums.sum(1, keepdims=True)


def save(model: Forest, folder: Path) -> None:
    """Write `model.safetensors` and `model.json`."""
    facts = {
        "task": model.task,
        "features": model.features,
        "width": model.width,
        "estimator": model.estimator,
        "strict": model.trees.strict,
    }
    arrays.save(folder, {**model.trees.arrays(), "shares": model.shares}, facts)


def load(folder: Path) -> Forest:
    """Return the saved model."""
    numbers, facts = arrays.load(folder)
    shares = numbers.pop("shares")
    trees = Trees(strict=facts.pop("strict"), **numbers)
    return Forest(trees=trees, shares=shares, **facts)


def to_onnx(model: Forest) -> Any:
    """Return one tree ensemble."""
    output = output_name(model.task)
    base = np.zeros(model.width)
    return tree_graph.to_onnx(model.trees, model.features, model.width, base, output, "identity")


def fewer_trees(model: Forest, params: Params, share: float) -> Params:
    """Return the params of a forest of that share of the trees."""
    return params.model_copy(update={"trees": max(1, round(share * len(model.trees.target)))})


def truncate(model: Forest, share: float) -> Forest:
    """Return the forest of the first `share` of the trees."""
    count = len(model.trees.target)
    kept = max(1, round(share * count))
    if kept == count:
        return model
    cut = model.trees.first(kept)
    scaled = {**cut.arrays(), "values": cut.values * np.float32(count / kept)}
    trees = Trees(strict=cut.strict, **scaled)
    return Forest(model.task, model.features, model.width, trees, model.shares, model.estimator)


def importances(model: Forest) -> np.ndarray:
    """Return the share of each feature in the decrease of impurity, (feature,)."""
    total = model.shares.sum()
    return model.shares / total if total > 0 else np.full(model.features, 1 / model.features)


def curves(model: Forest) -> dict[str, list[float]]:
    """Return no curves: the trees do not build on each other."""
    return {}


def facts(model: Forest) -> dict[str, Any]:
    """Return the estimator that was used, and the size of what it grew."""
    leaves = int((model.trees.feature == forest.LEAF).sum())
    return {
        "estimator": model.estimator,
        "trees": len(model.trees.target),
        "leaves": leaves,
    }


gpu_missing = gpu.cuml_missing
