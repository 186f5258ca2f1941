"""What a graph on integers (Q/DQ) has: the nodes that are quantised, and no byte too many."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from tasks.compress import graphs

if TYPE_CHECKING:
    import onnx

BETWEEN = ("Relu", "Clip", "MaxPool", "AveragePool", "GlobalAveragePool", "Add", "Concat")
MOVES = ("Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze")


def chosen(graph: "onnx.GraphProto", only: Collection[str] | None = None) -> list[str]:
    """Return the nodes to quantise: weighted ones, and movers and joins between them.

    What a layer reads that stays in float stays so too. An Add counts only where two activations
    meet (a residual); one with a constant shifts the output.
    """
    constants = {i.name for i in graph.initializer}
    layers = {n.name for n in graphs.flat(graph)}
    weighted = layers if only is None else layers & set(only)
    behind: set[str] = set()  # tensors that come out of a weighted node
    ahead: dict[str, bool] = {}
    for node in reversed(graph.node):  # does a weighted node follow?
        passes = node.name not in layers and any(ahead.get(o) for o in node.output)
        follows = node.name in weighted or passes
        for name in node.input:
            ahead[name] = ahead.get(name, False) or follows
    found = []
    for node in graph.node:
        if node.name in weighted:
            behind.update(node.output)
            found.append(node.name)
        elif node.name not in layers and behind.intersection(node.input):
            behind.update(node.output)
            if not any(ahead.get(o) for o in node.output):
                continue
            if node.op_type in (*BETWEEN, *MOVES) and not (
                node.op_type == "Add" and constants.intersection(node.input)
            ):
                found.append(node.name)
    return found


def lean(made: "onnx.ModelProto", before: "onnx.ModelProto") -> "onnx.ModelProto":
    """Return the graph without bytes that no engine needs: 3.89, not 3.76 times smaller.

    A convolution's bias as int32 brings a scale and a zero point a channel; ONNX Runtime fuses a
    float bias as well. Zero points that are 0 may be left out; but its fusion of Gemm wants both.
    """
    graph = made.graph
    values = {i.name: i for i in graph.initializer}
    floats = {i.name: i for i in before.graph.initializer}
    dequantised = {n.output[0]: n for n in graph.node if n.op_type == "DequantizeLinear"}
    gone: set[str] = set()
    for node in graph.node:
        for at, name in enumerate(node.input):
            source = dequantised.get(name)
            if source is None or source.input[0] not in values:
                continue
            bias = at == 2 and node.op_type in ("Conv", "Gemm")
            original = source.input[0].removesuffix("_quantized")
            if bias and node.op_type == "Conv" and original in floats:
                node.input[at] = original
                values[original] = floats[original]
                gone.add(name)
            elif (bias or node.op_type == "Conv") and _is_zero(source, values):
                del source.input[2]
    kept = [n for n in graph.node if n.output[0] not in gone]
    del graph.node[:]
    graph.node.extend(kept)
    used = {name for node in graph.node for name in node.input}
    del graph.initializer[:]
    graph.initializer.extend(v for name, v in sorted(values.items()) if name in used)
    return made


def _is_zero(node: "onnx.NodeProto", values: "dict[str, onnx.TensorProto]") -> bool:
    from onnx import numpy_helper

    return len(node.input) == 3 and not numpy_helper.to_array(values[node.input[2]]).any()
