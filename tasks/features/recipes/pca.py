"""Numbers that hang together as few components, and how unusual a row is among them.

Principal components of the standardised columns (missing ones by the median), and beside them the
outlier score: the squared distance from what the components explain (Jackson & Mudholkar 1979,
"Control procedures for residuals associated with principal component analysis"). Instead of
`numeric`: `recipes: {numeric: null, pca: {}}`. Not for trees, which cut along the columns, nor for
columns that mean something by themselves and are to be explained.
"""

from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from tasks.core.graph import Graph
from tasks.core.plugins import PluginParams
from tasks.core.prepared import Input, feed
from tasks.core.schema import Column, Columns
from tasks.features.estimators import Library, estimator

DEFAULT = False
LIBRARIES = ("numpy", "scikit-learn", "cuml-cu13")
BOUND = 1e6  # |standardised value|


class Params(PluginParams):
    """How much of the variance is kept, and whose estimator finds it."""

    variance: float = Field(default=0.95, gt=0, le=1, description="share that is kept at least")
    score: bool = Field(default=True, description="also the distance from the components' space")
    estimator: Library = Field(default="scikit-learn", description="cuml: on a GPU")


def accepts(column: Column, dtype: pl.DataType) -> bool:
    """Return whether the column holds numbers."""
    return column.type in ("float", "integer") and dtype.is_numeric()


def fit(frame: pl.DataFrame, columns: Columns, params: Params) -> dict[str, Any]:
    """Return the columns with median, mean and scale, and the components; constant ones go.

    Raises:
        EngineUnavailable: cuML is asked for and not installed.
    """
    kept: list[dict[str, Any]] = []
    Z = []
    for name in columns:
        values = frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        seen = values[np.isfinite(values)]
        if not len(seen) or seen.std() <= 1e-12 * max(1.0, abs(seen.mean())):
            continue
        own = {"name": name, "median": float(np.median(seen))}
        own |= {"mean": float(seen.mean()), "scale": float(seen.std())}
        kept.append(own)
        Z.append(_standardised(values, own))
    if not kept:
        return {"columns": [], "center": [], "components": [], "score": params.score}
    matrix = np.stack(Z, axis=1)
    PCA = estimator(params.estimator, "decomposition", "PCA", "features.recipes.pca.estimator")
    found = PCA(n_components=min(matrix.shape)).fit(matrix)
    shares = np.cumsum(np.asarray(found.explained_variance_ratio_, np.float64))
    count = int(np.searchsorted(shares, params.variance - 1e-9) + 1)
    components = np.asarray(found.components_, np.float64)[:count]
    return {
        "columns": kept,
        "center": np.asarray(found.mean_, np.float64).ravel().tolist(),
        "components": components.tolist(),  # (component, column)
        "score": params.score and count < len(kept),
    }


def _standardised(values: np.ndarray, own: dict[str, Any]) -> np.ndarray:
    filled = np.where(np.isnan(values), own["median"], values)
    return np.clip((filled - own["mean"]) / own["scale"], -BOUND, BOUND)


def transform(frame: pl.DataFrame, state: dict[str, Any]) -> np.ndarray:
    """Return the components' values and the score: (n, feature) float32, computed in double."""
    tensors = feed(frame, inputs(state))
    Z = np.stack(
        [_standardised(tensors[c["name"]][:, 0], c) for c in state["columns"]], axis=1
    ) - np.array(state["center"])
    components = np.array(state["components"])
    scores = Z @ components.T
    found = [scores]
    if state["score"]:
        apart = Z - scores @ components
        found.append((apart * apart).sum(axis=1, keepdims=True))
    return np.concatenate(found, axis=1).astype(np.float32)


def feature_names(state: dict[str, Any]) -> list[str]:
    """Return the names of the features: `component 1` …, `distance`."""
    names = [f"component {at + 1}" for at in range(len(state["components"]))]
    return [*names, *(["distance"] if state["score"] else [])]


def inputs(state: dict[str, Any]) -> list[Input]:
    """Return one number a column."""
    return [Input(name=c["name"], dtype="float64") for c in state["columns"]]


def to_onnx(state: dict[str, Any], graph: Graph) -> list[str]:
    """Add the recipe to the graph; return its tensors, in the order of `feature_names`."""

    def row(key: str) -> str:
        return graph.constant([[c[key] for c in state["columns"]]], np.float64)

    raw = graph.joined([c["name"] for c in state["columns"]])
    filled = graph.add("Where", graph.add("IsNaN", raw), row("median"), raw)
    scaled = graph.add("Div", graph.add("Sub", filled, row("mean")), row("scale"))
    bounds = graph.constant(-BOUND, np.float64), graph.constant(BOUND, np.float64)
    center = graph.constant([state["center"]], np.float64)
    Z = graph.add("Sub", graph.add("Clip", scaled, *bounds), center)
    components = np.array(state["components"])
    scores = graph.add("MatMul", Z, graph.constant(components.T, np.float64))
    tensors = [graph.cast(scores, "float32")]
    if state["score"]:
        back = graph.add("MatMul", scores, graph.constant(components, np.float64))
        apart = graph.add("Sub", Z, back)
        square = graph.add("Mul", apart, apart)
        axis = graph.constant([1], np.int64)
        distance = graph.add("ReduceSum", square, axis, keepdims=1)
        tensors.append(graph.cast(distance, "float32"))
    return tensors
