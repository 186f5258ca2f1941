"""Writes a network's layers as an ONNX graph: exact, in milliseconds, in standard operators only.

(torch.onnx.export takes 1-9 s a model and names things differently from version to version.)
"""

from typing import Any

import numpy as np

from tasks.core.graph import Graph, matrix, output_name


def to_onnx(network: Any, features: int, task: str, offset: float = 0.0, scale: float = 1.0) -> Any:
    """Return the onnx.ModelProto of a Sequential, in evaluation mode.

    Args:
        network: a torch.nn.Sequential of layers known here.
        features: columns of X.
        task: softmax follows for classification; output x scale + offset for regression.
        offset, scale: mean and spread of the target that the network was fitted on.

    Raises:
        TypeError: a layer that this writer does not know.
    """
    graph = Graph()
    last = _layers(graph, list(network), "X")
    if task == "classification":
        last = graph.add("Softmax", last, axis=1)
    else:
        last = graph.add("Mul", last, graph.constant([scale]))
        last = graph.add("Add", last, graph.constant([offset]))
    width = _outputs(network)
    return graph.model(matrix(features), last, output_name(task), width)


def _outputs(network: Any) -> int:
    """Return the output values of a network: those of its last linear layer."""
    last = list(network)[-1]
    return last.out_features if hasattr(last, "out_features") else _outputs(last)


def _layers(graph: Graph, layers: list[Any], x: str) -> str:
    from torch import nn

    following: list[Any] = [*layers[1:], None]
    for layer, after in zip(layers, following, strict=True):
        if isinstance(layer, nn.Conv2d):
            x = _convolution(graph, layer, after if isinstance(after, nn.BatchNorm2d) else None, x)
        elif not isinstance(layer, nn.BatchNorm2d):  # a folded one
            x = _layer(graph, layer, x)
    return x


def _layer(graph: Graph, layer: Any, x: str) -> str:
    from torch import nn

    from tasks.nets import layers as own

    match layer:
        case nn.Linear():
            terms = (layer.weight,) if layer.bias is None else (layer.weight, layer.bias)
            return graph.add("Gemm", x, *(graph.constant(_array(t)) for t in terms), transB=1)
        case nn.ReLU():
            return graph.add("Relu", x)
        case nn.ReLU6():
            return graph.add("Clip", x, graph.constant(0.0), graph.constant(6.0))
        case nn.MaxPool2d():
            side, step, edge = (_pair(n) for n in (layer.kernel_size, layer.stride, layer.padding))
            return graph.add("MaxPool", x, kernel_shape=side, strides=step, pads=edge + edge)
        case nn.Dropout() | nn.Identity():
            return x
        case nn.AdaptiveAvgPool2d():
            return graph.add("GlobalAveragePool", x)
        case nn.Flatten():
            return graph.add("Flatten", x, axis=1)
        case nn.Sequential():
            return _layers(graph, list(layer), x)
        case own.Residual():
            body, shortcut = _layer(graph, layer.body, x), _layer(graph, layer.shortcut, x)
            return graph.add("Relu", graph.add("Add", body, shortcut))
        case own.Inverted():
            return graph.add("Add", x, _layer(graph, layer.body, x))
        case own.Standardise():
            centred = graph.add("Sub", x, graph.constant(_array(layer.mean)))
            return graph.add("Mul", centred, graph.constant(_array(layer.inverse)))
        case own.PiecewiseLinear():
            return _piecewise(graph, layer, x)
        case own.Image():
            return _image(graph, layer.shape, x)
    raise TypeError(f"no ONNX form known for the layer {type(layer).__name__}; add it here")


def _convolution(graph: Graph, layer: Any, norm: Any, x: str) -> str:
    weights = _array(layer.weight).astype(np.float64)
    bias = np.zeros(len(weights)) if layer.bias is None else _array(layer.bias).astype(np.float64)
    if norm is not None:
        gain = _array(norm.weight) / np.sqrt(_array(norm.running_var).astype(np.float64) + norm.eps)
        weights = weights * gain[:, None, None, None]
        bias = (bias - _array(norm.running_mean)) * gain + _array(norm.bias)
    return graph.add(
        "Conv",
        x,
        graph.constant(weights),
        graph.constant(bias),
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.stride),
        pads=[*layer.padding, *layer.padding],
        dilations=list(layer.dilation),
        group=layer.groups,
    )


def _piecewise(graph: Graph, layer: Any, x: str) -> str:
    column = graph.add("Unsqueeze", x, graph.constant([2], np.int64))
    come = graph.add("Sub", column, graph.constant(_array(layer.low)[None]))
    come = graph.add("Mul", come, graph.constant(_array(layer.inverse)[None]))
    come = graph.add("Clip", come, graph.constant(0.0), graph.constant(1.0))
    return graph.add("Concat", x, graph.add("Flatten", come, axis=1), axis=1)


def _image(graph: Graph, shape: tuple[int, int, int], x: str) -> str:
    height, width, channels = shape
    if channels == 1:  # the same order either way
        return graph.add("Reshape", x, graph.constant([-1, 1, height, width], np.int64))
    rows = graph.add("Reshape", x, graph.constant([-1, height, width, channels], np.int64))
    return graph.add("Transpose", rows, perm=[0, 3, 1, 2])


def _pair(value: int | tuple[int, int]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


def _array(tensor: Any) -> np.ndarray:
    return tensor.detach().cpu().numpy()
