"""Writes a `Forecaster` as an ONNX graph: exact, in standard operators only, for any batch.

Each function adds the nodes of one part and gives back the name of what comes out.
"""

from typing import Any

import numpy as np

from tasks.core.graph import Graph, matrix
from tasks.nets.export_fusion import fusion
from tasks.nets.export_layers import array, cut, layer, lstm, rows, squeeze, standardise, unsqueeze
from tasks.nets.scaling import Scaling


def to_onnx(network: Any, scaling: Scaling) -> Any:
    """Return the onnx.ModelProto of a network: X (N, feature) -> quantiles (N, horizon x quantile),
    in the target's own unit.
    """
    graph, shape = Graph(), network.windows.shape
    past, ahead, levels, nearest, centre, size = _seen(graph, network, "X")
    body = fusion if hasattr(network.body, "attention") else _encoder_decoder
    numbers = _ascending(graph, network, body(graph, network.body, past, ahead, levels))
    direct = layer(graph, network.highway, nearest)
    numbers = graph.add("Add", numbers, unsqueeze(graph, direct, 2))
    if network.relative == "window":
        numbers = graph.add("Mul", numbers, unsqueeze(graph, size, 2))
    if network.relative:
        numbers = graph.add("Add", numbers, unsqueeze(graph, centre, 2))
    numbers = graph.add("Add", numbers, graph.constant(array(network.offsets)))
    numbers = _outward(graph, numbers, len(network.levels), network.ascending.median)
    last = _up(graph, graph.add("Flatten", numbers, axis=1), scaling)
    return graph.model(matrix(shape.features), last, "quantiles", network.offsets.numel())


def _up(graph: Graph, z: str, scaling: Scaling) -> str:
    """Add what `Scaling.up` does."""
    z = graph.add("Mul", z, graph.constant([scaling.scale]))
    z = graph.add("Add", z, graph.constant([scaling.offset]))
    if scaling.unit is None:
        return z
    size = graph.add("Exp", graph.add("Abs", z))
    size = graph.add(
        "Mul", graph.add("Sub", size, graph.constant([1.0])), graph.constant([scaling.unit])
    )
    return graph.add("Mul", graph.add("Sign", z), size)


def _seen(graph: Graph, network: Any, x: str) -> tuple[str, str, str, str, str, str]:
    """Add `Forecaster.seen`: the fields of `Seen`."""
    from tasks.nets import windows

    shape = network.windows.shape
    leading, others, known, static = _windows(graph, network.windows, x)
    axes = graph.constant([1], np.int64)
    mean = graph.add("ReduceMean", leading, axes, keepdims=0)
    away = graph.add("Sub", leading, unsqueeze(graph, mean, 1))
    spread = graph.add(
        "Sqrt", graph.add("ReduceMean", graph.add("Mul", away, away), axes, keepdims=0)
    )
    levels = graph.joined([mean, spread, *static])
    centre, size = mean, spread
    if network.relative == "last":
        centre = squeeze(graph, cut(graph, leading, shape.context - 1, shape.context, 1), 1)
        leading = graph.add("Sub", leading, unsqueeze(graph, centre, 1))
    elif network.relative == "window":
        size = graph.add("Add", spread, graph.constant([windows.LEAST_SPREAD]))
        leading = graph.add("Div", away, unsqueeze(graph, size, 1))
    past = graph.add("Concat", leading, *others, axis=2) if others else leading
    told = list(known)
    if shape.seasonal:
        places = graph.constant(array(network.same_time), np.int64)
        told.append(graph.add("Gather", leading, places, axis=1))
    one = cut(graph, mean, 0, 1, 1) if shape.leading > 1 else mean
    zero = graph.add("Mul", unsqueeze(graph, one, 1), graph.constant([0.0]))  # (N, 1, 1)
    told.append(graph.add("Add", zero, graph.constant(array(network.distances)[None])))
    first = max(0, shape.context - windows.NEAREST)
    nearest = graph.add("Flatten", cut(graph, leading, first, shape.context, 1), axis=1)
    return past, graph.add("Concat", *told, axis=2), levels, nearest, centre, size


def _windows(graph: Graph, windows: Any, x: str) -> tuple[str, list[str], list[str], list[str]]:
    """Add `Windows`: the leading channels, the others, what is known and what is static, if any."""
    shape = windows.shape
    count = shape.leading
    past_scale, known_scale, static_scale = windows.scales
    past = rows(graph, cut(graph, x, 0, shape.past_size, 1), shape.context, shape.channels)
    leading, others = cut(graph, past, 0, count, 2), []
    if windows.logarithm is not None:
        units = graph.constant([1 / windows.logarithm.unit])
        size = graph.add("Mul", graph.add("Abs", leading), units)
        size = graph.add("Log", graph.add("Add", size, graph.constant([1.0])))
        leading = graph.add("Mul", graph.add("Sign", leading), size)
    leading = standardise(graph, past_scale, leading, slice(count))
    if shape.channels > count:
        rest = cut(graph, past, count, shape.channels, 2)
        others = [standardise(graph, past_scale, rest, slice(count, None))]
    last = shape.features - shape.static
    known, static = [], []
    if shape.known:
        ahead = rows(graph, cut(graph, x, shape.past_size, last, 1), shape.horizon, shape.known)
        known = [standardise(graph, known_scale, ahead)]
    if shape.static:
        static = [standardise(graph, static_scale, cut(graph, x, last, shape.features, 1))]
    return leading, others, known, static


def _ascending(graph: Graph, network: Any, x: str) -> str:
    """Add `Ascending`."""
    middle, count = network.ascending.median, len(network.levels)
    if count == 1:
        return x
    median = cut(graph, x, middle, middle + 1, 2)
    apart, axis = graph.add("Softplus", x), graph.constant(2, np.int64)
    parts = [median]
    if middle:
        below = graph.add("CumSum", cut(graph, apart, 0, middle, 2), axis, reverse=1)
        parts.insert(0, graph.add("Sub", median, below))
    if middle + 1 < count:
        above = graph.add("CumSum", cut(graph, apart, middle + 1, count, 2), axis)
        parts.append(graph.add("Add", median, above))
    return graph.add("Concat", *parts, axis=2)


def _outward(graph: Graph, x: str, count: int, median: int) -> str:
    """Add `outward`."""
    if count == 1:
        return x
    columns = graph.also(graph.add("Split", x, axis=2, num_outputs=count), count)
    for at in range(median + 1, count):
        columns[at] = graph.add("Max", columns[at], columns[at - 1])
    for at in range(median - 1, -1, -1):
        columns[at] = graph.add("Min", columns[at], columns[at + 1])
    return graph.add("Concat", *columns, axis=2)


def _encoder_decoder(graph: Graph, body: Any, past: str, ahead: str, levels: str) -> str:
    encode = _recurrent if hasattr(body.encoder, "cells") else _convolutions
    summary = graph.add("Concat", encode(graph, body.encoder, past), levels, axis=1)
    decoder = body.decoder
    first = unsqueeze(graph, layer(graph, decoder.summary, summary), 1)
    return layer(graph, decoder.rest, graph.add("Add", first, layer(graph, decoder.step, ahead)))


def _recurrent(graph: Graph, encoder: Any, past: str) -> str:
    return squeeze(graph, lstm(graph, encoder.cells, past)[1], 0)


def _convolutions(graph: Graph, encoder: Any, past: str) -> str:
    steps = layer(graph, encoder.layers, graph.add("Transpose", past, perm=[0, 2, 1]))
    last = cut(graph, steps, -1, np.iinfo(np.int64).max, 2)
    return squeeze(graph, last, 2)
