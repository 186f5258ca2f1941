"""Writes a `Forecaster` as an ONNX graph: exact, in standard operators only, for any batch.

Each function adds the nodes of one layer and gives back the name of what comes out.
"""

from typing import Any

import numpy as np

from tasks.core.graph import Graph, matrix
from tasks.nets.scaling import Scaling


def to_onnx(network: Any, scaling: Scaling) -> Any:
    """Return the onnx.ModelProto of a network: X (N, feature) -> quantiles (N, horizon x quantile),
    in the target's own unit.
    """
    graph, shape = Graph(), network.windows.shape
    past, ahead, levels, nearest, centre, size = _seen(graph, network, "X")
    body = _fusion if hasattr(network.body, "attention") else _encoder_decoder
    numbers = _ascending(graph, network, body(graph, network.body, past, ahead, levels))
    direct = layer(graph, network.highway, nearest)
    numbers = graph.add("Add", numbers, _unsqueeze(graph, direct, 2))
    if network.relative == "window":
        numbers = graph.add("Mul", numbers, _unsqueeze(graph, size, 2))
    if network.relative:
        numbers = graph.add("Add", numbers, _unsqueeze(graph, centre, 2))
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
    target, others, known, static = _windows(graph, network.windows, x)
    axes = graph.constant([1], np.int64)
    mean = graph.add("ReduceMean", target, axes, keepdims=0)
    away = graph.add("Sub", target, _unsqueeze(graph, mean, 1))
    spread = graph.add(
        "Sqrt", graph.add("ReduceMean", graph.add("Mul", away, away), axes, keepdims=0)
    )
    levels = graph.joined([mean, spread, *static])
    centre, size = mean, spread
    if network.relative == "last":
        centre = _squeeze(graph, _slice(graph, target, shape.context - 1, shape.context, 1), 1)
        target = graph.add("Sub", target, _unsqueeze(graph, centre, 1))
    elif network.relative == "window":
        size = graph.add("Add", spread, graph.constant([windows.LEAST_SPREAD]))
        target = graph.add("Div", away, _unsqueeze(graph, size, 1))
    past = graph.add("Concat", target, *others, axis=2) if others else target
    told = list(known)
    if shape.seasonal:
        places = graph.constant(array(network.same_time), np.int64)
        told.append(graph.add("Gather", target, places, axis=1))
    zero = graph.add("Mul", _unsqueeze(graph, mean, 1), graph.constant([0.0]))  # (N, 1, 1)
    told.append(graph.add("Add", zero, graph.constant(array(network.distances)[None])))
    first = max(0, shape.context - windows.NEAREST)
    nearest = _squeeze(graph, _slice(graph, target, first, shape.context, 1), 2)
    return past, graph.add("Concat", *told, axis=2), levels, nearest, centre, size


def _windows(graph: Graph, windows: Any, x: str) -> tuple[str, list[str], list[str], list[str]]:
    """Add `Windows`: the target, the other channels, what is known and what is static, if any."""
    shape = windows.shape
    past_scale, known_scale, static_scale = windows.scales
    past = _rows(graph, _slice(graph, x, 0, shape.past_size, 1), shape.context, shape.channels)
    if windows.logarithm is None:
        past = _standardise(graph, past_scale, past)
        target, others = past, []
        if shape.channels > 1:
            target = _slice(graph, past, 0, 1, 2)
            others = [_slice(graph, past, 1, shape.channels, 2)]
    else:
        target = _slice(graph, past, 0, 1, 2)
        size = graph.add(
            "Mul", graph.add("Abs", target), graph.constant([1 / windows.logarithm.unit])
        )
        size = graph.add("Log", graph.add("Add", size, graph.constant([1.0])))
        target = _standardise(
            graph, past_scale, graph.add("Mul", graph.add("Sign", target), size), slice(1)
        )
        others = []
        if shape.channels > 1:
            rest = _slice(graph, past, 1, shape.channels, 2)
            others = [_standardise(graph, past_scale, rest, slice(1, None))]
    last = shape.features - shape.static
    known, static = [], []
    if shape.known:
        ahead = _rows(graph, _slice(graph, x, shape.past_size, last, 1), shape.horizon, shape.known)
        known = [_standardise(graph, known_scale, ahead)]
    if shape.static:
        static = [_standardise(graph, static_scale, _slice(graph, x, last, shape.features, 1))]
    return target, others, known, static


def _ascending(graph: Graph, network: Any, x: str) -> str:
    """Add `Ascending`."""
    middle, count = network.ascending.median, len(network.levels)
    if count == 1:
        return x
    median = _slice(graph, x, middle, middle + 1, 2)
    apart, axis = graph.add("Softplus", x), graph.constant(2, np.int64)
    parts = [median]
    if middle:
        below = graph.add("CumSum", _slice(graph, apart, 0, middle, 2), axis, reverse=1)
        parts.insert(0, graph.add("Sub", median, below))
    if middle + 1 < count:
        above = graph.add("CumSum", _slice(graph, apart, middle + 1, count, 2), axis)
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
    first = _unsqueeze(graph, layer(graph, decoder.summary, summary), 1)
    return layer(graph, decoder.rest, graph.add("Add", first, layer(graph, decoder.step, ahead)))


def _recurrent(graph: Graph, encoder: Any, past: str) -> str:
    return _squeeze(graph, _lstm(graph, encoder.cells, past)[1], 0)


def _convolutions(graph: Graph, encoder: Any, past: str) -> str:
    steps = layer(graph, encoder.layers, graph.add("Transpose", past, perm=[0, 2, 1]))
    last = _slice(graph, steps, -1, np.iinfo(np.int64).max, 2)
    return _squeeze(graph, last, 2)


def _lstm(graph: Graph, cells: Any, x: str, state: list[str] | None = None) -> tuple[str, str, str]:
    """Add LSTMs, one on another: (N, time, channel) -> all steps (time, N, width), and the last
    state (1, N, width) twice; `state` is likewise that before the first step.
    """
    x = graph.add("Transpose", x, perm=[1, 0, 2])
    hidden = cell = ""
    for at in range(cells.num_layers):
        weights = [_gates(getattr(cells, f"weight_{part}_l{at}"))[None] for part in ("ih", "hh")]
        bias = np.concatenate(
            [_gates(getattr(cells, f"bias_{part}_l{at}")) for part in ("ih", "hh")]
        )
        given = [graph.constant(a) for a in (*weights, bias[None])]
        before = ["", *state] if state else []
        made = graph.add("LSTM", x, *given, *before, hidden_size=cells.hidden_size)
        steps, hidden, cell = graph.also(made, 3)
        x = _squeeze(graph, steps, 1)
    return x, hidden, cell


def _gates(weights: Any) -> np.ndarray:
    """Return weights with their gates in ONNX's order (i, o, f, c), from torch's (i, f, c, o)."""
    i, f, c, o = np.split(array(weights), 4)
    return np.concatenate([i, o, f, c])


def _fusion(graph: Graph, body: Any, past: str, ahead: str, levels: str) -> str:
    static = _selection(graph, body.static, _unsqueeze(graph, levels, 1), None, 1)
    said = [_squeeze(graph, _residual(graph, c, static), 1) for c in body.contexts]
    choice, enriching = (_unsqueeze(graph, c, 1) for c in said[:2])
    shape = body.shape
    first = _selection(graph, body.past, past, choice, shape.context)
    second = _selection(graph, body.future, ahead, choice, shape.horizon)
    run, *state = _lstm(graph, body.encoder, first, [_unsqueeze(graph, s, 0) for s in said[2:]])
    further, _, _ = _lstm(graph, body.decoder, second, state)
    steps = graph.add("Transpose", graph.add("Concat", run, further, axis=0), perm=[1, 0, 2])
    local = _gate(graph, body.local, steps, graph.add("Concat", first, second, axis=1))
    enriched = _residual(graph, body.enrichment, local, enriching)
    end = shape.context + shape.horizon
    last, last_local = (_slice(graph, x, shape.context, end, 1) for x in (enriched, local))
    attended = _gate(graph, body.attended, _attention(graph, body.attention, enriched, last), last)
    fed = _residual(graph, body.feed_forward, attended)
    return layer(graph, body.quantiles, _gate(graph, body.last, fed, last_local))


def _gate(graph: Graph, gate: Any, y: str, x: str) -> str:
    inner = layer(graph, gate.linear, y)
    return layer(graph, gate.norm, graph.add("Add", x, _glu(graph, inner)))


def _glu(graph: Graph, x: str) -> str:
    value, door = graph.also(graph.add("Split", x, axis=-1, num_outputs=2), 2)
    return graph.add("Mul", value, graph.add("Sigmoid", door))


def _residual(graph: Graph, block: Any, x: str, context: str | None = None) -> str:
    """Add a `GatedResidual`; context (N, 1, width)."""
    inner = layer(graph, block.first, x)
    if block.context is not None and context is not None:
        inner = graph.add("Add", inner, layer(graph, block.context, context))
    inner = layer(graph, block.second, graph.add("Elu", inner))
    return _gate(graph, block.gate, inner, layer(graph, block.skip, x))


def _selection(graph: Graph, block: Any, x: str, context: str | None, steps: int) -> str:
    weights = graph.add("Softmax", _residual(graph, block.chooser, x, context), axis=-1)
    own = block.variables
    variables, _, width = own.gain.shape
    chosen = graph.add("Mul", _variables(graph, own, x), _by_variable(graph, weights, variables))
    total = graph.add("ReduceSum", chosen, graph.constant([0], np.int64), keepdims=0)
    return _rows(graph, total, steps, width)


def _by_variable(graph: Graph, x: str, variables: int) -> str:
    """Add (N, time, variable) -> (variable, N x time, 1)."""
    turned = graph.add("Transpose", x, perm=[2, 0, 1])
    return graph.add("Reshape", turned, graph.constant([variables, -1, 1], np.int64))


def _variables(graph: Graph, own: Any, x: str) -> str:
    numbers = _by_variable(graph, x, len(own.gain))

    def spread(weights: Any) -> str:
        scale, shift = (graph.constant(a) for a in array(weights))
        return graph.add("Add", graph.add("Mul", numbers, scale), shift)

    inner = graph.add("Elu", spread(own.first))
    gated = graph.add("MatMul", inner, graph.constant(array(own.kernel)))
    gated = _glu(graph, graph.add("Add", gated, graph.constant(array(own.kernel_bias))))
    added = graph.add("Add", spread(own.embedding), gated)
    ones = np.ones(own.gain.shape[-1])
    normed = graph.add("LayerNormalization", added, graph.constant(ones), graph.constant(0 * ones))
    scaled = graph.add("Mul", normed, graph.constant(array(own.gain)))
    return graph.add("Add", scaled, graph.constant(array(own.shift)))


def _attention(graph: Graph, block: Any, steps: str, last: str) -> str:
    def heads(linear: Any, x: str, order: list[int]) -> str:
        sizes = graph.constant([0, -1, block.heads, block.each], np.int64)
        return graph.add(
            "Transpose", graph.add("Reshape", layer(graph, linear, x), sizes), perm=order
        )

    query, key = heads(block.query, last, [0, 2, 1, 3]), heads(block.key, steps, [0, 2, 3, 1])
    scores = graph.add("MatMul", query, key)
    scores = graph.add("Mul", scores, graph.constant([block.each**-0.5]))
    scores = graph.add("Add", scores, _mask(graph, *block.mask.shape))
    weights = graph.add("Softmax", scores, axis=-1)
    values = _unsqueeze(graph, layer(graph, block.value, steps), 1)
    seen = graph.add("MatMul", weights, values)
    mean = graph.add("ReduceMean", seen, graph.constant([1], np.int64), keepdims=0)
    return layer(graph, block.out, mean)


def _mask(graph: Graph, ahead: int, steps: int) -> str:
    """Add `Attention.mask`, (ahead, steps), from two rows of numbers: the file is half as large."""
    from tasks.nets.fusion import HIDDEN

    last = graph.constant(np.arange(steps - ahead, steps)[:, None])
    later = graph.add("Greater", graph.constant(np.arange(steps)[None]), last)
    return graph.add("Mul", graph.cast(later, "float32"), graph.constant([HIDDEN]))


def layer(graph: Graph, one: Any, x: str) -> str:
    """Add a layer that takes one tensor; linear ones work on the last axis of any."""
    from torch import nn

    from tasks.nets import recurrent

    match one:
        case nn.Linear():
            made = graph.add("MatMul", x, graph.constant(array(one.weight).T))
            return (
                made
                if one.bias is None
                else graph.add("Add", made, graph.constant(array(one.bias)))
            )
        case nn.ReLU():
            return graph.add("Relu", x)
        case nn.Dropout() | nn.Identity():
            return x
        case nn.Sequential():
            for inner in one:
                x = layer(graph, inner, x)
            return x
        case nn.LayerNorm():
            weights = (graph.constant(array(w)) for w in (one.weight, one.bias))
            return graph.add("LayerNormalization", x, *weights, epsilon=one.eps)
        case recurrent.Block():
            both = graph.add("Add", layer(graph, one.body, x), layer(graph, one.shortcut, x))
            return graph.add("Relu", both)
        case recurrent.EverySecond():
            return _slice(graph, x, one.first, np.iinfo(np.int64).max, 2, 2)
        case nn.Conv1d():
            [kernel] = one.kernel_size
            weights = (graph.constant(array(w)) for w in (one.weight, one.bias))
            pads = [kernel - 1, 0]
            return graph.add("Conv", x, *weights, kernel_shape=[kernel], pads=pads)
    raise TypeError(f"no ONNX form known for the layer {type(one).__name__}; add it here")


def _standardise(graph: Graph, scale: Any, x: str, part: slice = slice(None)) -> str:
    centred = graph.add("Sub", x, graph.constant(array(scale.mean)[part]))
    return graph.add("Mul", centred, graph.constant(array(scale.inverse)[part]))


def _rows(graph: Graph, x: str, steps: int, width: int) -> str:
    return graph.add("Reshape", x, graph.constant([-1, steps, width], np.int64))


def _slice(graph: Graph, x: str, start: int, stop: int, axis: int, step: int = 1) -> str:
    numbers = (graph.constant([n], np.int64) for n in (start, stop, axis, step))
    return graph.add("Slice", x, *numbers)


def _squeeze(graph: Graph, x: str, axis: int) -> str:
    return graph.add("Squeeze", x, graph.constant([axis], np.int64))


def _unsqueeze(graph: Graph, x: str, axis: int) -> str:
    return graph.add("Unsqueeze", x, graph.constant([axis], np.int64))


def array(tensor: Any) -> np.ndarray:
    """Return a tensor's values."""
    return tensor.detach().cpu().numpy()
