"""Weights in 4 bits, in blocks that share a scale: a file 7 times smaller, hardly faster on a CPU.

Two forms: `qdq` is standard ONNX (opset 21), for convolutions too; `matmul_nbits` is ONNX Runtime's
own operator for matrix products (OpenVINO reads it too), which keeps weights packed in memory. ONNX
Runtime unpacks those of `qdq` in each call, 30 times slower than float32, unless a session sets
`session.disable_quant_qdq`, as Temper's do: then at load. The scale of each block is the one of
least squared error. Not for small layers, whose scales weigh as much as they do, nor where speed is
wanted: INT8 is faster. Measured: benchmarks/int4.py.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from tasks.compress import export, graphs
from tasks.compress.protocol import Context, NotApplicable, Parent
from tasks.core.plugins import PluginParams

if TYPE_CHECKING:
    import onnx

LIBRARIES = ("numpy", "onnx")
PRECISION = "int4"
OPSET = 21  # the first with 4-bit integers and blocks
LARGEST = 7  # symmetric: -7 to 7
SCALES = np.linspace(0.6, 1.0, 17)  # of the block's largest value / LARGEST


class Params(PluginParams):
    """The form, and how many weights share a scale."""

    form: Literal["qdq", "matmul_nbits"] = "qdq"
    block: Literal[16, 32, 64, 128, 256] = Field(
        default=128, description="weights a scale at most; more: smaller, and less exact"
    )
    least: int = Field(default=1024, ge=1, description="weights a layer must have")


def note(params: Params) -> str:
    """Return what the table says of size and speed."""
    if params.form == "qdq":
        return (
            "4 bits in the file, float32 when run: smaller to store, no faster; ONNX Runtime needs "
            "session.disable_quant_qdq=1, else it unpacks them in each call"
        )
    return "4 bits in file and memory; an operator of ONNX Runtime's, which not every engine has"


def dialect(params: Params) -> str:
    """Return the form: ONNX Runtime opens `int4_qdq` with a setting."""
    return f"int4_{params.form}"


def applies(parent: Parent) -> str | None:
    """Return None, or why there is nothing to quantise."""
    if not graphs.weighted(parent.graph.graph):
        return "no Conv, Gemm or MatMul to quantise"
    return parent.lowered


def apply(
    parent: Parent, params: Params, context: Context, only: Collection[str] | None = None
) -> "onnx.ModelProto":
    """Return the graph with 4-bit weights; `only`: the names of the layers that get them.

    Raises:
        NotApplicable: no layer is large enough.
    """
    made = export.at_opset(parent.graph, OPSET)
    change = _qdq if params.form == "qdq" else _nbits
    if not change(made, params, only):
        raise NotApplicable(f"no layer of {params.least} weights that this form takes")
    return made


def _qdq(model: "onnx.ModelProto", params: Params, only: Collection[str] | None) -> int:
    """Put 4-bit weights and what unpacks them in the place of large ones; return how many."""
    graph = model.graph
    nodes = []
    large = _large(graph, params.least, only)
    for name, tensor in large.items():
        rows_last = any(_by_rows(n) for n in graph.node if name in n.input)
        nodes += _packed(graph, tensor, 1 if rows_last else 0, params.block)
    graphs.set_nodes(graph, [*nodes, *graph.node])
    return len(large)


def _large(
    graph: "onnx.GraphProto", least: int, only: Collection[str] | None
) -> "dict[str, onnx.TensorProto]":
    """Return the weights to pack, by name."""
    taken = {n.input[1] for n in graphs.flat(graph)}
    found = {n: w for n, w in graphs.weights(graph, only).items() if n in taken}
    return {name: weight for name, weight in found.items() if np.prod(weight.dims) >= least}


def _by_rows(node: "onnx.NodeProto") -> bool:
    """Return whether a layer's sums run along its weight's last axis (or axes)."""
    return node.op_type == "Conv" or any(a.name == "transB" and a.i for a in node.attribute)


def _packed(
    graph: "onnx.GraphProto", tensor: "onnx.TensorProto", axis: int, block: int
) -> "list[onnx.NodeProto]":
    """Add a weight's 4-bit integers and scales; return the nodes that make it from them."""
    import ml_dtypes
    from onnx import helper, numpy_helper

    values = numpy_helper.to_array(tensor)
    name, shape = tensor.name, values.shape
    matrix = values.reshape(shape[0], -1) if axis == 1 else values
    block = _dividing(matrix.shape[axis], block)
    integers, scales = quantised(matrix if axis == 1 else matrix.T, block)
    if axis == 0:
        integers, scales = integers.T, scales.T
    whole = name if matrix.shape == shape else f"{name}/matrix"
    parts = {f"{name}/int4": integers.astype(ml_dtypes.int4), f"{name}/scale": scales}
    attributes = {"axis": axis, "block_size": block, "name": f"{name}/unpacked"}
    nodes = [helper.make_node("DequantizeLinear", [*parts], [whole], **attributes)]
    if whole != name:
        parts[f"{name}/shape"] = np.array(shape, np.int64)
        inputs = [whole, f"{name}/shape"]
        nodes.append(helper.make_node("Reshape", inputs, [name], f"{name}/reshaped"))
    graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(v), n) for n, v in parts.items()
    )
    return nodes


def _dividing(width: int, block: int) -> int:
    """Return the largest block up to a size that divides a width evenly, as OpenVINO wants it.

    The whole width where only blocks too short for a scale of their own would do.
    """
    fits = max(b for b in range(1, min(block, width) + 1) if width % b == 0)
    return fits if 4 * fits >= block else width


def quantised(matrix: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Return integers (n, k) from -7 to 7 and the scale of each block along k, float32.

    Of several scales a block takes the one of least squared error.
    """
    rows, width = matrix.shape
    blocks = -(-width // block)
    padded = np.zeros((rows, blocks * block), np.float32)
    padded[:, :width] = matrix
    parts = padded.reshape(rows, blocks, block)
    largest = np.abs(parts).max(axis=2, keepdims=True) / LARGEST
    best = np.full((rows, blocks, 1), np.inf, np.float32)
    scale = np.ones_like(best)
    for share in SCALES:
        tried = np.where(largest > 0, largest * np.float32(share), 1).astype(np.float32)
        error = ((_rounded(parts, tried) * tried - parts) ** 2).sum(axis=2, keepdims=True)
        scale = np.where(error < best, tried, scale)
        best = np.minimum(error, best)
    integers = _rounded(parts, scale).reshape(rows, -1)[:, :width]
    return integers.astype(np.int8), scale[:, :, 0]


def _rounded(values: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values / scale), -LARGEST, LARGEST)


def _nbits(model: "onnx.ModelProto", params: Params, only: Collection[str] | None) -> int:
    """Put MatMulNBits in the place of large matrix products; return how many."""
    from onnx import helper, numpy_helper

    graph = model.graph
    graphs.gemm_as_matmul(graph)
    large = _large(graph, params.least, only)
    nodes, done = [], 0
    for node in graph.node:
        if node.op_type != "MatMul" or node.input[1] not in large:
            nodes.append(node)
            continue
        name = node.input[1]
        matrix = numpy_helper.to_array(large[name]).T  # (N, K)
        block = _smallest(matrix.shape[1], params.block)
        integers, scales = quantised(matrix, block)
        parts = {f"{name}/int4": _nibbles(integers, block), f"{name}/scale": scales.ravel()}
        graph.initializer.extend(numpy_helper.from_array(v, n) for n, v in parts.items())
        outputs, inputs = matrix.shape
        attributes = {"N": outputs, "K": inputs, "bits": 4, "block_size": block}
        made = helper.make_node(
            "MatMulNBits", [node.input[0], *parts], node.output, node.name, **attributes
        )
        made.domain = "com.microsoft"
        nodes.append(made)
        done += 1
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    graphs.set_nodes(graph, nodes)
    return done


def _smallest(width: int, block: int) -> int:
    """Return the power of two, up to `block`, whose whole blocks of a width take fewest bytes."""
    sizes = [b for b in (256, 128, 64, 32, 16) if b <= block]
    return min(sizes, key=lambda b: -(-width // b) * (b // 2 + 4))


def _nibbles(integers: np.ndarray, block: int) -> np.ndarray:
    """Return integers (n, k) plus 8 as (n, block, byte) uint8, the first of two in the low bits."""
    rows, width = integers.shape
    blocks = -(-width // block)
    padded = np.full((rows, blocks * block), 8, np.uint8)
    padded[:, :width] = integers + 8
    low, high = padded[:, ::2], padded[:, 1::2]
    return (low | high << 4).reshape(rows, blocks, block // 2)
