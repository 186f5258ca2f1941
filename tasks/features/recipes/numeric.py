"""Numbers: missing ones imputed with the median and flagged, then scaled, then outliers bounded.

Where training had missing values, a feature `<column>_missing` says so. With `centres` one more
says how unusual a row is as a whole: how far it is from the nearest of them. Not for numbers that
are names (codes, identifiers): make those columns of type `category`.
"""

from typing import Any, Literal

import numpy as np
import polars as pl
from pydantic import Field

from tasks.core.graph import Graph
from tasks.core.plugins import PluginParams
from tasks.core.prepared import Input, feed
from tasks.core.schema import Column, Columns
from tasks.features import centres
from tasks.features.estimators import Library, estimator

LIBRARIES = ("numpy", "scikit-learn", "cuml-cu13")
WHERE = "features.recipes.numeric.estimator"
DISTANCE = "distance_to_centre"
BOUND = 1e6  # |scaled value|: infinities and absurd values end here, and float32 never overflows
ROUNDING = 1e-5  # share of a scale that float32 may lose of a raw value; else the input is a double
MERGED = 0.01  # share of the distinct values that float32 may make equal to others


class Params(PluginParams):
    """How numbers are scaled."""

    scale: Literal["robust", "standard"] = Field(
        default="robust",
        description="robust: median and interquartile range; standard: mean and deviation",
    )
    outliers: Literal["smooth", "clip", "keep"] = Field(
        default="smooth",
        description="smooth: x / sqrt(1 + (x / limit)^2), which keeps the order of values",
    )
    limit: float = Field(default=3.0, gt=0, le=BOUND, description="bound of the scaled values")
    flag_missing: bool = Field(
        default=True, description="a feature that says where a value was missing"
    )
    centres: int = Field(
        default=0,
        ge=0,
        le=64,
        description="of k-means; a feature says how far the nearest is; 0: none",
    )
    estimator: Library = Field(default="scikit-learn", description="cuml: on a GPU")


def accepts(column: Column, dtype: pl.DataType) -> bool:
    """Return whether the column holds numbers."""
    return column.type in ("float", "integer") and dtype.is_numeric()


def fit(frame: pl.DataFrame, columns: Columns, params: Params) -> dict[str, Any]:
    """Return median, centre and scale of each column; constant and empty ones are left out.

    Robust scaling with a smooth bound is that of RealMLP (Holzmüller et al. 2024, "Better by
    Default", section 3); trees are indifferent to it, since it keeps the order.

    Raises:
        EngineUnavailable: cuML is asked for and not installed.
    """
    groups: dict[str, list[dict[str, Any]]] = {"float32": [], "float64": []}
    for name in columns:
        values = frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        seen = values[np.isfinite(values)]
        flag = bool(params.flag_missing and np.isnan(values).any())
        if not len(seen) or (seen.min() == seen.max() and not flag):
            continue
        center, scale = _center_scale(seen, params)
        dtype = "float64" if _needs_double(seen, center, scale) else "float32"
        groups[dtype].append(
            {
                "name": name,
                "median": float(np.median(seen)),
                "center": center,
                "scale": scale,
                "flag": flag,
            }
        )
    limit = None if params.outliers == "keep" else params.limit
    state = {"groups": groups, "outliers": params.outliers, "limit": limit, "centres": []}
    if params.centres and any(groups.values()):
        Z = np.concatenate(_scaled(frame, state)[0], axis=1)
        state["centres"] = centres.fit(Z, params.centres, params.estimator, WHERE)
    return state


def _needs_double(values: np.ndarray, center: float, scale: float) -> bool:
    """Return whether float32 loses digits that matter (of identifiers, seconds since 1970).

    Not lightly: TensorRT takes no doubles.
    """
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
        lost = np.abs(values - single) / np.maximum(scale, np.abs(values - center))
    if lost.max() > ROUNDING:
        return True
    merged = len(np.unique(single)) < (1 - MERGED) * len(np.unique(values))
    return bool(lost.max() > ROUNDING / 10 and merged)


def _center_scale(values: np.ndarray, params: Params) -> tuple[float, float]:
    """Return centre and scale of finite values; the scale is never 0."""
    name = "StandardScaler" if params.scale == "standard" else "RobustScaler"
    scaler = estimator(params.estimator, "preprocessing", name, WHERE)()
    scaler.fit(values[:, None])
    if params.scale == "standard":
        center, scale = float(scaler.mean_[0]), float(scaler.var_[0]) ** 0.5
    else:
        center, width = float(scaler.center_[0]), float(scaler.scale_[0])
        if width == 1:  # also the estimators' word for a width of (nearly) nothing
            width = float(np.diff(np.quantile(values, [0.25, 0.75]))[0])
        scale = width / 1.349  # the deviation, were the values normal
        if scale == 0:
            scale = float(values.max() - values.min()) / 2
    tiny = 1e-9 * max(abs(center), 1e-20)  # a deviation that is only rounding
    return center, scale if np.isfinite(scale) and scale > tiny else 1.0


def transform(frame: pl.DataFrame, state: dict[str, Any]) -> np.ndarray:
    """Return the scaled columns, the flags and the distance: (n, feature) float32."""
    values, flags = _scaled(frame, state)
    found = [*values, *flags]
    if state["centres"]:
        found.append(centres.distance(np.concatenate(values, axis=1), state["centres"]))
    return np.concatenate(found, axis=1)


def _scaled(
    frame: pl.DataFrame, state: dict[str, Any]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the scaled columns and the flags of each group: (n, feature) float32 each."""
    values, flags = [], []
    tensors = feed(frame, inputs(state))
    for dtype, group in state["groups"].items():
        if not group:
            continue
        raw = np.concatenate([tensors[c["name"]] for c in group], axis=1)  # (n, column)
        missing = np.isnan(raw)
        filled = np.where(missing, _row(group, "median", dtype), raw)
        with np.errstate(over="ignore"):
            scaled = (filled - _row(group, "center", dtype)) / _row(group, "scale", dtype)
        values.append(_bounded(np.clip(scaled, -BOUND, BOUND).astype(np.float32), state))
        flags.append(missing[:, [i for i, c in enumerate(group) if c["flag"]]].astype(np.float32))
    return values, flags


def _row(group: list[dict[str, Any]], key: str, dtype: str) -> np.ndarray:
    return np.array([[c[key] for c in group]], dtype=dtype)


def _bounded(scaled: np.ndarray, state: dict[str, Any]) -> np.ndarray:
    if state["outliers"] == "keep":
        return scaled
    limit = np.float32(state["limit"])
    if state["outliers"] == "clip":
        return np.clip(scaled, -limit, limit)
    ratio = scaled / limit
    return scaled / np.sqrt(ratio * ratio + np.float32(1))


def feature_names(state: dict[str, Any]) -> list[str]:
    """Return the names of the features: the columns, the flags, the distance."""
    columns = [c for group in state["groups"].values() for c in group]
    flags = [f"{c['name']}_missing" for c in columns if c["flag"]]
    return [*(c["name"] for c in columns), *flags, *([DISTANCE] if state["centres"] else [])]


def inputs(state: dict[str, Any]) -> list[Input]:
    """Return one number a column: float32, or float64 where float32 loses digits that matter."""
    return [
        Input(name=c["name"], dtype=dtype)
        for dtype, group in state["groups"].items()
        for c in group
    ]


def to_onnx(state: dict[str, Any], graph: Graph) -> list[str]:
    """Add the recipe to the graph; return its tensors, in the order of `feature_names`."""
    values, flags = [], []
    for dtype, group in state["groups"].items():
        if not group:
            continue
        raw = graph.joined([c["name"] for c in group])
        missing = graph.add("IsNaN", raw)
        filled = graph.add(
            "Where", missing, graph.constant(_row(group, "median", dtype), dtype), raw
        )
        centered = graph.add("Sub", filled, graph.constant(_row(group, "center", dtype), dtype))
        scaled = graph.add("Div", centered, graph.constant(_row(group, "scale", dtype), dtype))
        bounds = graph.constant(-BOUND, dtype), graph.constant(BOUND, dtype)
        scaled = graph.add("Clip", scaled, *bounds)
        values.append(_bounded_onnx(graph.cast(scaled, "float32"), state, graph))
        where = [i for i, c in enumerate(group) if c["flag"]]
        if where:
            flag = graph.cast(missing, "float32")
            flags.append(graph.add("Gather", flag, graph.constant(where, np.int64), axis=1))
    apart = [centres.to_onnx(values, state["centres"], graph)] if state["centres"] else []
    return [*values, *flags, *apart]


def _bounded_onnx(scaled: str, state: dict[str, Any], graph: Graph) -> str:
    if state["outliers"] == "keep":
        return scaled
    limit = graph.constant(state["limit"], np.float32)
    if state["outliers"] == "clip":
        return graph.add("Clip", scaled, graph.constant(-state["limit"], np.float32), limit)
    ratio = graph.add("Div", scaled, limit)
    square = graph.add("Mul", ratio, ratio)
    root = graph.add("Sqrt", graph.add("Add", square, graph.constant(1, np.float32)))
    return graph.add("Div", scaled, root)
