"""Dates and times as places on the circles of day, week and year, and as time elapsed.

A circle is used where the training rows go round it often enough; elapsed time not for the column
of role `time`, whose later values no training row has seen. A missing time is at no place: zeros.
The input is a double: OpenVINO computes it in float32, which moves a time by up to a minute. Sines
are doubles too until the end, and then rounded: libraries differ in the last bit (the cosine of
18:00 is 0 to one and -1.8e-16 to another), and where a tree splits there, a row goes the other way.
"""

from typing import Any, Literal

import numpy as np
import polars as pl
from pydantic import Field

from tasks.core.graph import Graph
from tasks.core.plugins import PluginParams
from tasks.core.prepared import Input, feed
from tasks.core.schema import Column, Columns
from tasks.core.sequence import PERIODS_S

Cycle = Literal["day", "week", "year"]
BOUND = 1e6
STEPS = np.float32(2**23)  # between 0 and 1: a sine is rounded to one of them


class Params(PluginParams):
    """What is made of a time."""

    cycles: tuple[Cycle, ...] = Field(
        default=("day", "week", "year"), description="circles, each as a sine and a cosine"
    )
    min_rounds: float = Field(
        default=2.0,
        ge=0,
        description="a circle is left out where training covers fewer rounds of it",
    )
    elapsed: bool = Field(
        default=True, description="also the standardised time itself (not of role `time`)"
    )


def accepts(column: Column, dtype: pl.DataType) -> bool:
    """Return whether the column holds dates or times."""
    return isinstance(dtype, pl.Datetime | pl.Date)


def fit(frame: pl.DataFrame, columns: Columns, params: Params) -> dict[str, Any]:
    """Return the circles of each column, and centre and scale of its elapsed time in s."""
    fitted = []
    tensors = feed(frame, [Input(name=name, dtype="float64") for name in columns])
    for name, column in columns.items():
        seconds = tensors[name][:, 0]
        seen = seconds[np.isfinite(seconds)]
        span = float(seen.max() - seen.min())
        cycles = [c for c in params.cycles if span >= params.min_rounds * PERIODS_S[c]]
        if (seen % PERIODS_S["day"] == 0).all():  # dates without a time of day
            cycles = [c for c in cycles if c != "day"]
        elapsed = params.elapsed and column.role != "time" and span > 0
        if cycles or elapsed:
            fitted.append(
                {
                    "name": name,
                    "cycles": cycles,
                    "center": float(seen.mean()),
                    "scale": float(seen.std()) or 1.0,
                    "elapsed": elapsed,
                    "flag": len(seen) < len(seconds),
                }
            )
    return {"columns": fitted}


def transform(frame: pl.DataFrame, state: dict[str, Any]) -> np.ndarray:
    """Return sines, cosines, elapsed times and flags, column by column: (n, feature) float32."""
    tensors = feed(frame, inputs(state))
    blocks = []
    for column in state["columns"]:
        raw = tensors[column["name"]]  # (n, 1), s since 1970
        missing = np.isnan(raw)
        seconds = np.where(missing, column["center"], raw)
        zero = np.float32(0)
        for cycle in column["cycles"]:
            rounds = seconds / PERIODS_S[cycle]
            angle = (rounds - np.floor(rounds)) * (2 * np.pi)
            blocks += [
                np.where(missing, zero, np.round(wave(angle) * STEPS).astype(np.float32) / STEPS)
                for wave in (np.sin, np.cos)
            ]
        if column["elapsed"]:
            scaled = (seconds - column["center"]) / column["scale"]
            blocks.append(np.clip(scaled, -BOUND, BOUND).astype(np.float32))
        if column["flag"]:
            blocks.append(missing.astype(np.float32))
    return np.concatenate(blocks, axis=1)


def feature_names(state: dict[str, Any]) -> list[str]:
    """Return the names of the features, column by column."""
    names = []
    for column in state["columns"]:
        for cycle in column["cycles"]:
            names += [f"{column['name']}_{cycle}_sin", f"{column['name']}_{cycle}_cos"]
        names += [f"{column['name']}_elapsed"] * column["elapsed"]
        names += [f"{column['name']}_missing"] * column["flag"]
    return names


def inputs(state: dict[str, Any]) -> list[Input]:
    """Return one double a column: seconds since 1970."""
    return [Input(name=column["name"], dtype="float64") for column in state["columns"]]


def to_onnx(state: dict[str, Any], graph: Graph) -> list[str]:
    """Add the recipe to the graph; return its tensors, in the order of `feature_names`."""
    tensors = []
    zero = graph.constant([[0]], np.float32)
    steps = graph.constant([[STEPS]], np.float64)
    for column in state["columns"]:
        missing = graph.add("IsNaN", column["name"])
        center = graph.constant([[column["center"]]], np.float64)
        seconds = graph.add("Where", missing, center, column["name"])
        for cycle in column["cycles"]:
            rounds = graph.add("Div", seconds, graph.constant([[PERIODS_S[cycle]]], np.float64))
            phase = graph.add("Sub", rounds, graph.add("Floor", rounds))
            turned = graph.add("Mul", phase, graph.constant([[2 * np.pi]], np.float64))
            for op in ("Sin", "Cos"):
                whole = graph.add("Round", graph.add("Mul", graph.add(op, turned), steps))
                place = graph.add(
                    "Div", graph.cast(whole, "float32"), graph.constant([[STEPS]], np.float32)
                )
                tensors.append(graph.add("Where", missing, zero, place))
        if column["elapsed"]:
            scale = graph.constant([[column["scale"]]], np.float64)
            scaled = graph.add("Div", graph.add("Sub", seconds, center), scale)
            bounds = graph.constant(-BOUND, np.float64), graph.constant(BOUND, np.float64)
            tensors.append(graph.cast(graph.add("Clip", scaled, *bounds), "float32"))
        if column["flag"]:
            tensors.append(graph.cast(missing, "float32"))
    return tensors
