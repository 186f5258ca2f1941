"""Half-precision weights and arithmetic, inputs and outputs unchanged: half the size.

Not for speed on a CPU: ONNX Runtime's CPU provider computes in float32 all the same. Preparation,
the operators behind the last weights (softmax, the target's scale) and every operator that sees
values near half precision's range (65504) on training rows stay in float32.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from tasks.compress import graphs
from tasks.compress.protocol import Context, NotApplicable, Parent
from tasks.core.graph import rename
from tasks.core.plugins import PluginParams

if TYPE_CHECKING:
    import onnx

LIBRARIES = ("onnxruntime", "onnx")
PRECISION = "fp16"
ROWS = 64
# Operators that compute in whichever float their inputs have; any other stays in float32
EITHER = frozenset(
    (
        *("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Neg", "Abs"),
        *("Relu", "LeakyRelu", "PRelu", "Elu", "Gelu", "Erf", "Tanh", "Sigmoid", "Clip"),
        *("HardSigmoid", "HardSwish", "BatchNormalization", "MaxPool", "AveragePool"),
        *("GlobalAveragePool", "GlobalMaxPool", "Concat", "Split", "Slice", "Pad", "Identity"),
        *("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze"),
    )
)


class Params(PluginParams):
    """The range that values may take in half precision."""

    largest: float = Field(
        default=8192.0,
        gt=0,
        le=65504,
        description="operators with larger values than this stay in float32",
    )


def note(params: Params) -> str | None:
    """Return what the table says of the speed."""
    return "half the size; computed in float32 on a CPU, so no faster there"


def applies(parent: Parent) -> str | None:
    """Return None, or why the graph has nothing to halve."""
    if graphs.is_trees(parent.graph.graph):
        return "ONNX has no half-precision tree ensembles"
    if not graphs.weighted(parent.graph.graph):
        return "no Conv, Gemm or MatMul whose weights could be halved"
    return parent.lowered


def apply(
    parent: Parent, params: Params, context: Context, only: Collection[str] | None = None
) -> "onnx.ModelProto":
    """Return the graph with the model's weights and arithmetic in float16; `only`: the names of
    the layers to halve, with the operators behind each up to the next.

    A cast stands where a float32 tensor enters the converted operators, and where one leaves them;
    the graph's inputs never pass through float16 on their way to the preparation.

    Raises:
        NotApplicable: every weight meets values that half precision has no room for.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    made = onnx.ModelProto()
    made.CopyFrom(parent.graph)
    graph = made.graph
    floats = _floats(made)
    chosen = _chosen(parent.graph, params.largest, context, floats)
    if only is not None:
        chosen = _behind(graph, chosen, only)
    if not any(n.name in chosen for n in graphs.weighted(graph)):
        raise NotApplicable(
            f"every weight meets values over {params.largest:g} on training rows: half precision "
            "ends at 65504"
        )
    weights = {i.name: i for i in graph.initializer if i.data_type == TensorProto.FLOAT}
    inside = {o for n in graph.node if n.name in chosen for o in n.output if o in floats}
    half: dict[str, str] = {}  # tensor -> its float16 twin
    back: dict[str, str] = {}  # tensor made in float16 -> its float32 twin
    nodes: list[onnx.NodeProto] = []

    def cast(source: str, suffix: str, to: int) -> str:
        name = f"{graphs.MODEL}{source.removeprefix(graphs.MODEL)}{suffix}"
        nodes.append(helper.make_node("Cast", [source], [name], f"{name}/cast", to=to))
        return name

    for node in graph.node:
        for at, name in enumerate(node.input):
            if node.name not in chosen:
                if name in inside:
                    if name not in back:
                        back[name] = cast(name, "/fp32", TensorProto.FLOAT)
                    node.input[at] = back[name]
            elif name in weights:
                if name not in half:
                    half[name] = f"{name}/fp16"
                    values = numpy_helper.to_array(weights[name]).astype(np.float16)
                    graph.initializer.append(numpy_helper.from_array(values, half[name]))
                node.input[at] = half[name]
            elif name in floats and name not in inside:
                if name not in half:
                    half[name] = cast(name, "/fp16", TensorProto.FLOAT16)
                node.input[at] = half[name]
        nodes.append(node)
    for output in graph.output:  # one that is made in float16 keeps its name and type
        if output.name in inside:
            twin = f"{graphs.MODEL}{output.name}/fp16"
            rename(nodes, output.name, twin)
            nodes.append(
                helper.make_node(
                    "Cast", [twin], [output.name], f"{twin}/cast", to=TensorProto.FLOAT
                )
            )
    graphs.set_nodes(graph, nodes)
    return made


def _floats(model: "onnx.ModelProto") -> set[str]:
    """Return the tensors of float32 that nodes make or inputs bring."""
    from onnx import TensorProto, shape_inference

    graph = shape_inference.infer_shapes(model).graph
    return {
        v.name
        for v in (*graph.value_info, *graph.input, *graph.output)
        if v.type.tensor_type.elem_type == TensorProto.FLOAT
    }


def _chosen(
    model: "onnx.ModelProto", largest: float, context: Context, floats: set[str]
) -> set[str]:
    """Return the nodes to convert: the model's up to its last weights, of modest values only."""
    graph = model.graph
    needed = {n.name for n in graphs.weighted(graph)}
    big = _large(model, largest, context, floats)
    ahead: set[str] = set()
    chosen = set()
    for node in reversed(graph.node):
        if node.name in needed or ahead.intersection(node.output):
            ahead.update(node.input)
            ours = not node.name.startswith(graphs.PREPARE) and node.op_type in EITHER
            if ours and not big.intersection((*node.input, *node.output)):
                chosen.add(node.name)
    return chosen


def _behind(graph: "onnx.GraphProto", chosen: set[str], only: Collection[str]) -> set[str]:
    """Return those of the chosen nodes that are one of these layers, or use what one made."""
    layers = {n.name for n in graphs.weighted(graph)}
    found, made = set(), set()
    for node in graph.node:
        ours = node.name in only if node.name in layers else made.intersection(node.input)
        if ours and node.name in chosen:
            found.add(node.name)
            made.update(node.output)
    return found


def _large(
    model: "onnx.ModelProto", largest: float, context: Context, floats: set[str]
) -> set[str]:
    """Return the tensors with values beyond the range, on training rows."""
    from onnx import TensorProto, numpy_helper

    made = {o for n in graphs.of_model(model.graph) for o in n.output}
    read = {i for n in graphs.of_model(model.graph) for i in n.input}
    inputs = {i.name for i in model.graph.input}
    watched = sorted(floats & (made | read) - inputs)
    rows = {name: values[:ROWS] for name, values in context.calibration.items()}
    values = graphs.tensors(model, watched, rows)
    big = {w for w, v in values.items() if not _peak(v) <= largest}
    return big | {
        i.name
        for i in model.graph.initializer
        if i.data_type == TensorProto.FLOAT and not _peak(numpy_helper.to_array(i)) <= largest
    }


def _peak(values: np.ndarray) -> float:
    return float(np.abs(values).max(initial=0.0))
