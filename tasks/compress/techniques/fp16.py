"""Half-precision weights and arithmetic, inputs and outputs unchanged: half the size.

Not for speed on a CPU: ONNX Runtime's CPU provider computes in float32 all the same. Preparation,
the operators behind the last weights (softmax, the target's scale) and every operator that sees
values near half precision's range (65504) on training rows stay in float32.
"""

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from tasks.compress import graphs
from tasks.compress.protocol import Context, Parent
from tasks.core.plugins import PluginParams

if TYPE_CHECKING:
    import onnx

LIBRARIES = ("onnxruntime", "onnx")
PRECISION = "fp16"
ROWS = 64


class Params(PluginParams):
    """The range that values may take in half precision."""

    largest: float = Field(
        8192.0, gt=0, le=65504, description="operators with larger values than this stay in float32"
    )


def applies(parent: Parent) -> str | None:
    """Return None, or why the graph has nothing to halve."""
    if graphs.is_trees(parent.graph.graph):
        return "ONNX has no half-precision tree ensembles"
    if not graphs.weighted(parent.graph.graph):
        return "no Conv, Gemm or MatMul whose weights could be halved"
    if "ptq_int8" in parent.earlier:
        return "its weights are 8-bit integers already"
    return None


def apply(parent: Parent, params: Params, context: Context) -> "onnx.ModelProto":
    """Return the graph with the model's weights and arithmetic in float16."""
    import warnings

    import onnx
    from onnxruntime.transformers import float16

    kept = [n.name for n in parent.graph.graph.node if n.name.startswith(graphs.PREPARE)]
    kept += _tail(parent.graph.graph) + _large(parent.graph, params.largest, context)
    copy = onnx.ModelProto()
    copy.CopyFrom(parent.graph)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # says of each tiny weight that it becomes 1e-7
        return float16.convert_float_to_float16(
            copy,
            keep_io_types=True,
            op_block_list=[*float16.DEFAULT_OP_BLOCK_LIST, "Softmax", "Sigmoid", "ArgMax"],
            node_block_list=sorted(set(kept)),
        )


def _tail(graph: "onnx.GraphProto") -> list[str]:
    """Return the nodes from which no weight is reached any more."""
    needed = {n.name for n in graphs.weighted(graph)}
    ahead: set[str] = set()
    tail = []
    for node in reversed(graph.node):
        if node.name in needed or ahead.intersection(node.output):
            ahead.update(node.input)
        else:
            tail.append(node.name)
    return tail


def _large(model: "onnx.ModelProto", largest: float, context: Context) -> list[str]:
    """Return the nodes with weights, inputs or outputs beyond the range, on training rows."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper, shape_inference

    inferred = shape_inference.infer_shapes(model)
    floats = {
        v.name
        for v in inferred.graph.value_info
        if v.type.tensor_type.elem_type == TensorProto.FLOAT
    }
    nodes = graphs.of_model(model.graph)
    watched = sorted(floats & {name for n in nodes for name in (*n.input, *n.output)})
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(helper.make_tensor_value_info(w, 1, None) for w in watched)
    big = {
        i.name
        for i in model.graph.initializer
        if i.data_type == TensorProto.FLOAT and _peak(numpy_helper.to_array(i)) > largest
    }
    if watched:
        rows = {k: v[:ROWS] for k, v in context.calibration.items()}
        running = graphs.session(probe)
        wanted = {i.name for i in running.get_inputs()}
        values = running.run(watched, {k: v for k, v in rows.items() if k in wanted})
        big |= {w for w, v in zip(watched, values, strict=True) if not _peak(v) <= largest}
    return [n.name for n in nodes if big.intersection((*n.input, *n.output))]


def _peak(values: np.ndarray) -> float:
    return float(np.abs(values).max(initial=0.0))
