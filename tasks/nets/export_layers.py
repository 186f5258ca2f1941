"""Writes the layers of networks in time as ONNX nodes; each function gives back what comes out."""

from typing import Any

import numpy as np

from tasks.core.graph import Graph


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
            return cut(graph, x, one.first, np.iinfo(np.int64).max, 2, 2)
        case nn.Conv1d():
            [kernel] = one.kernel_size
            weights = (graph.constant(array(w)) for w in (one.weight, one.bias))
            pads = [kernel - 1, 0]
            return graph.add("Conv", x, *weights, kernel_shape=[kernel], pads=pads)
    raise TypeError(f"no ONNX form known for the layer {type(one).__name__}; add it here")


def lstm(graph: Graph, cells: Any, x: str, state: list[str] | None = None) -> tuple[str, str, str]:
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
        x = squeeze(graph, steps, 1)
    return x, hidden, cell


def _gates(weights: Any) -> np.ndarray:
    """Return weights with their gates in ONNX's order (i, o, f, c), from torch's (i, f, c, o)."""
    i, f, c, o = np.split(array(weights), 4)
    return np.concatenate([i, o, f, c])


def standardise(graph: Graph, scale: Any, x: str, part: slice = slice(None)) -> str:
    """Add `Standardise`, or that of a part of its features."""
    centred = graph.add("Sub", x, graph.constant(array(scale.mean)[part]))
    return graph.add("Mul", centred, graph.constant(array(scale.inverse)[part]))


def rows(graph: Graph, x: str, steps: int, width: int) -> str:
    """Add (N, time x width) -> (N, time, width)."""
    return graph.add("Reshape", x, graph.constant([-1, steps, width], np.int64))


def cut(graph: Graph, x: str, start: int, stop: int, axis: int, step: int = 1) -> str:
    """Add a slice along an axis."""
    numbers = (graph.constant([n], np.int64) for n in (start, stop, axis, step))
    return graph.add("Slice", x, *numbers)


def squeeze(graph: Graph, x: str, axis: int) -> str:
    """Take out an axis of one."""
    return graph.add("Squeeze", x, graph.constant([axis], np.int64))


def unsqueeze(graph: Graph, x: str, axis: int) -> str:
    """Put in an axis of one."""
    return graph.add("Unsqueeze", x, graph.constant([axis], np.int64))


def array(tensor: Any) -> np.ndarray:
    """Return a tensor's values."""
    return tensor.detach().cpu().numpy()
