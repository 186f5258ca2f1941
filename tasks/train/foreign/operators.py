"""ATen's operators as standard ONNX ones, for networks in evaluation mode.

A writer takes the graph, the arguments by ATen's names and the shape of what comes out (None where
it depends on the rows). An argument is a Ref to a tensor of the graph, an array of weights, or a
number. (torch.onnx.export takes onnxscript, and a program that is loaded already.)
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tasks.core.graph import Graph

SHAPES = ("size", "shape", "sizes")  # arguments that are read from the shape that comes out
Arguments = dict[str, Any]
Shape = list[int | None]
Writer = Callable[[Graph, Arguments, Shape], str]


class Ref(str):
    """The name of a tensor or of a size."""

    __slots__ = ()


class Unwritten(Exception):
    """Raised for a setting of an operator that no graph is written for."""


def _tensor(graph: Graph, value: Any) -> str:
    """Return the name of a tensor: its own, or that of a new constant."""
    return value if isinstance(value, Ref) else graph.constant(value)


def _same(graph: Graph, a: Arguments, shape: Shape) -> str:
    return graph.add("Identity", _first(graph, a))


def _dropout(graph: Graph, a: Arguments, shape: Shape) -> str:
    if a["train"]:
        raise Unwritten("dropout in training mode: call eval() before torch.export.export")
    return _same(graph, a, shape)


def _first(graph: Graph, a: Arguments) -> str:
    return _tensor(graph, a["self"] if "self" in a else a["input"])


def _unary(operator: str, **renamed: str) -> Writer:
    """Return a writer of one tensor, with attributes `ONNX's name = ATen's name`."""

    def write(graph: Graph, a: Arguments, shape: Shape) -> str:
        return graph.add(operator, _first(graph, a), **{k: a[v] for k, v in renamed.items()})

    return write


def _binary(operator: str) -> Writer:
    def write(graph: Graph, a: Arguments, shape: Shape) -> str:
        other = a["exponent"] if operator == "Pow" else a["other"]
        other = _tensor(graph, other)
        if a.get("alpha", 1) != 1:
            other = graph.add("Mul", other, graph.constant(a["alpha"]))
        return graph.add(operator, _first(graph, a), other)

    return write


def _reversed_difference(graph: Graph, a: Arguments, shape: Shape) -> str:
    taken = _first(graph, a)
    if a["alpha"] != 1:
        taken = graph.add("Mul", taken, graph.constant(a["alpha"]))
    return graph.add("Sub", _tensor(graph, a["other"]), taken)


def _silu(graph: Graph, a: Arguments, shape: Shape) -> str:
    x = _first(graph, a)
    return graph.add("Mul", x, graph.add("Sigmoid", x))


def _clip(low: str, high: str) -> Writer:
    def write(graph: Graph, a: Arguments, shape: Shape) -> str:
        ends = ["" if a[end] is None else graph.constant(float(a[end])) for end in (low, high)]
        return graph.add("Clip", _first(graph, a), *ends)

    return write


def _relu6(graph: Graph, a: Arguments, shape: Shape) -> str:
    return graph.add("Clip", _first(graph, a), graph.constant(0.0), graph.constant(6.0))


def _linear(graph: Graph, a: Arguments, shape: Shape) -> str:
    x, weight, bias = _tensor(graph, a["input"]), a["weight"], a["bias"]
    if isinstance(weight, Ref):
        raise Unwritten("linear, whose weight is computed")
    if len(shape) == 2:
        terms = [graph.constant(weight), *([] if bias is None else [_tensor(graph, bias)])]
        return graph.add("Gemm", x, *terms, transB=1)
    product = graph.add("MatMul", x, graph.constant(weight.T))
    return product if bias is None else graph.add("Add", product, _tensor(graph, bias))


def _product(graph: Graph, a: Arguments, shape: Shape) -> str:
    other = a["other"] if "other" in a else a["mat2"]
    return graph.add("MatMul", _first(graph, a), _tensor(graph, other))


def _product_and_sum(graph: Graph, a: Arguments, shape: Shape) -> str:
    terms = (_tensor(graph, a[name]) for name in ("mat1", "mat2", "self"))
    return graph.add("Gemm", *terms, alpha=float(a["alpha"]), beta=float(a["beta"]))


def _convolution(graph: Graph, a: Arguments, shape: Shape) -> str:
    if isinstance(a["weight"], Ref) or isinstance(a["padding"], str):
        raise Unwritten("a convolution whose weight is computed, or padded by a word")
    terms = [a["weight"], *([] if a["bias"] is None else [a["bias"]])]
    count = a["weight"].ndim - 2
    return graph.add(
        "Conv",
        _tensor(graph, a["input"]),
        *(_tensor(graph, t) for t in terms),
        kernel_shape=list(a["weight"].shape[2:]),
        strides=_each(a["stride"], count),
        pads=_each(a["padding"], count) * 2,
        dilations=_each(a["dilation"], count),
        group=a["groups"],
    )


def _each(value: Any, count: int) -> list[int]:
    """Return one number a side; ATen gives one for all, or none for its default."""
    listed = value if isinstance(value, list) else [value]
    return listed * count if len(listed) == 1 else listed


def _batch_norm(graph: Graph, a: Arguments, shape: Shape) -> str:
    names = ("weight", "bias", "running_mean", "running_var")
    if a["training"] or any(not isinstance(a[n], np.ndarray) for n in names[2:]):
        raise Unwritten("batch_norm in training mode: call eval() before torch.export.export")
    ones = np.ones_like(a["running_mean"])
    weight, bias = (
        v if a[n] is None else a[n] for n, v in zip(names, (ones, 0 * ones), strict=False)
    )
    terms = (_tensor(graph, v) for v in (weight, bias, *(a[n] for n in names[2:])))
    return graph.add("BatchNormalization", _first(graph, a), *terms, epsilon=a["eps"])


def _layer_norm(graph: Graph, a: Arguments, shape: Shape) -> str:
    sides = [int(n or 1) for n in shape[len(shape) - len(a["normalized_shape"]) :]]
    weight = np.ones(sides, np.float32) if a["weight"] is None else a["weight"]
    terms = [weight, *([] if a["bias"] is None else [a["bias"]])]
    return graph.add(
        "LayerNormalization",
        _first(graph, a),
        *(_tensor(graph, t) for t in terms),
        axis=-len(sides),
        epsilon=a["eps"],
    )


def _max_pool(graph: Graph, a: Arguments, shape: Shape) -> str:
    return graph.add("MaxPool", _first(graph, a), **_window(a), dilations=_each(a["dilation"], 2))


def _average_pool(graph: Graph, a: Arguments, shape: Shape) -> str:
    if a["divisor_override"]:
        raise Unwritten("avg_pool2d with a divisor of its own")
    counted = int(a["count_include_pad"])
    return graph.add("AveragePool", _first(graph, a), **_window(a), count_include_pad=counted)


def _window(a: Arguments) -> dict[str, Any]:
    side = _each(a["kernel_size"], 2)
    return {
        "kernel_shape": side,
        "strides": _each(a["stride"], 2) if a["stride"] else side,
        "pads": _each(a["padding"], 2) * 2,
        "ceil_mode": int(a["ceil_mode"]),
    }


def _mean_of_image(graph: Graph, a: Arguments, shape: Shape) -> str:
    if shape[2:] != [1, 1]:
        raise Unwritten(f"adaptive_avg_pool2d to {shape[2:]}; to 1 x 1 it is")
    return graph.add("GlobalAveragePool", _first(graph, a))


def _reshape(graph: Graph, a: Arguments, shape: Shape) -> str:
    if shape.count(None) != 1:
        raise Unwritten(f"a shape of {shape}: one of its sizes must be that of the rows")
    sides = [-1 if n is None else n for n in shape]
    return graph.add("Reshape", _first(graph, a), graph.constant(sides, np.int64))


def _transpose(graph: Graph, a: Arguments, shape: Shape) -> str:
    order = list(range(len(shape)))
    first, second = a["dim0"] % len(shape), a["dim1"] % len(shape)
    order[first], order[second] = order[second], order[first]
    return graph.add("Transpose", _first(graph, a), perm=order)


def _permute(graph: Graph, a: Arguments, shape: Shape) -> str:
    return graph.add("Transpose", _first(graph, a), perm=[d % len(shape) for d in a["dims"]])


def _concat(graph: Graph, a: Arguments, shape: Shape) -> str:
    return graph.add("Concat", *(_tensor(graph, t) for t in a["tensors"]), axis=a["dim"])


def _slice(graph: Graph, a: Arguments, shape: Shape) -> str:
    ends = (a["start"] or 0, min(a["end"] or 2**62, 2**62) if a["end"] != 0 else 0, a["dim"])
    terms = (graph.constant([n], np.int64) for n in (*ends, a["step"]))
    return graph.add("Slice", _first(graph, a), *terms)


def _select(graph: Graph, a: Arguments, shape: Shape) -> str:
    return graph.add(
        "Gather", _first(graph, a), graph.constant(a["index"], np.int64), axis=a["dim"]
    )


def _reduced(operator: str) -> Writer:
    def write(graph: Graph, a: Arguments, shape: Shape) -> str:
        axes = graph.constant(_each(a["dim"], 1), np.int64)
        return graph.add(operator, _first(graph, a), axes, keepdims=int(a["keepdim"]))

    return write


WRITERS: dict[str, Writer] = {
    "linear": _linear,
    "addmm": _product_and_sum,
    **dict.fromkeys(("mm", "matmul", "bmm"), _product),
    **dict.fromkeys(("conv1d", "conv2d"), _convolution),
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "max_pool2d": _max_pool,
    "avg_pool2d": _average_pool,
    "adaptive_avg_pool2d": _mean_of_image,
    "relu": _unary("Relu"),
    "relu6": _relu6,
    "hardtanh": _clip("min_val", "max_val"),
    "clamp": _clip("min", "max"),
    "leaky_relu": _unary("LeakyRelu", alpha="negative_slope"),
    "elu": _unary("Elu", alpha="alpha"),
    "gelu": _unary("Gelu", approximate="approximate"),
    "silu": _silu,
    "hardswish": _unary("HardSwish"),
    "mish": _unary("Mish"),
    "selu": _unary("Selu"),
    "softplus": _unary("Softplus"),
    "sigmoid": _unary("Sigmoid"),
    "tanh": _unary("Tanh"),
    "exp": _unary("Exp"),
    "log": _unary("Log"),
    "sqrt": _unary("Sqrt"),
    "abs": _unary("Abs"),
    "neg": _unary("Neg"),
    "softmax": _unary("Softmax", axis="dim"),
    "log_softmax": _unary("LogSoftmax", axis="dim"),
    "add": _binary("Add"),
    "sub": _binary("Sub"),
    "rsub": _reversed_difference,
    "mul": _binary("Mul"),
    "div": _binary("Div"),
    "pow": _binary("Pow"),
    "mean": _reduced("ReduceMean"),
    "sum": _reduced("ReduceSum"),
    **dict.fromkeys(("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze"), _reshape),
    "transpose": _transpose,
    "permute": _permute,
    "cat": _concat,
    "slice": _slice,
    "select": _select,
    "dropout": _dropout,
    **dict.fromkeys(("clone", "contiguous", "detach", "alias"), _same),
}
