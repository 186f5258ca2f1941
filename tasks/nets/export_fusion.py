"""Writes the Temporal Fusion Transformer's layers as ONNX nodes."""

from typing import Any

import numpy as np

from tasks.core.graph import Graph
from tasks.nets.export_layers import array, cut, layer, lstm, rows, squeeze, unsqueeze


def fusion(graph: Graph, body: Any, past: str, ahead: str, levels: str) -> str:
    """Add `Fusion`: numbers (N, horizon, quantile)."""
    static = _selection(graph, body.static, unsqueeze(graph, levels, 1), None, 1)
    said = [squeeze(graph, _residual(graph, c, static), 1) for c in body.contexts]
    choice, enriching = (unsqueeze(graph, c, 1) for c in said[:2])
    shape = body.shape
    first = _selection(graph, body.past, past, choice, shape.context)
    second = _selection(graph, body.future, ahead, choice, shape.horizon)
    run, *state = lstm(graph, body.encoder, first, [unsqueeze(graph, s, 0) for s in said[2:]])
    further, _, _ = lstm(graph, body.decoder, second, state)
    steps = graph.add("Transpose", graph.add("Concat", run, further, axis=0), perm=[1, 0, 2])
    local = _gate(graph, body.local, steps, graph.add("Concat", first, second, axis=1))
    enriched = _residual(graph, body.enrichment, local, enriching)
    end = shape.context + shape.horizon
    last, last_local = (cut(graph, x, shape.context, end, 1) for x in (enriched, local))
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
    return rows(graph, total, steps, width)


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
    values = unsqueeze(graph, layer(graph, block.value, steps), 1)
    seen = graph.add("MatMul", weights, values)
    mean = graph.add("ReduceMean", seen, graph.constant([1], np.int64), keepdims=0)
    return layer(graph, block.out, mean)


def _mask(graph: Graph, ahead: int, steps: int) -> str:
    """Add `Attention.mask`, (ahead, steps), from two rows of numbers: the file is half as large."""
    from tasks.nets.fusion import HIDDEN

    last = graph.constant(np.arange(steps - ahead, steps)[:, None])
    later = graph.add("Greater", graph.constant(np.arange(steps)[None]), last)
    return graph.add("Mul", graph.cast(later, "float32"), graph.constant([HIDDEN]))
