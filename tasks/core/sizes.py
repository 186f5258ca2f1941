"""Infers shapes and bytes of a graph's tensors for one row; tells weights from activations."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

FLOAT_BYTES = 4
DEQUANTISE = "DequantizeLinear"


def inferred(model: "onnx.ModelProto") -> "onnx.GraphProto":
    """Return a copy of a graph with shapes; the symbolic first dimension of its inputs is 1.

    Raises:
        onnx.shape_inference.InferenceError: the graph contradicts itself.
    """
    import onnx

    single = onnx.ModelProto.FromString(model.SerializeToString())
    for tensor in single.graph.input:
        first = next(iter(tensor.type.tensor_type.shape.dim), None)
        if first is not None and not first.HasField("dim_value"):
            first.dim_value = 1
    for tensor in single.graph.output:  # they would hold inference to their symbolic batch
        tensor.type.tensor_type.ClearField("shape")
    return onnx.shape_inference.infer_shapes(single, data_prop=True).graph


class Sizes:
    """Knows each tensor's shape and bytes, and which tensors are weights.

    `stored` has the bytes of every weight; `unsized` collects the names of tensors that were asked
    for and whose shape is unknown.
    """

    def __init__(self, graph: "onnx.GraphProto") -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.widths: dict[str, int] = {}
        self.stored = {i.name: stored_bytes(i) for i in graph.initializer}
        self.packed: dict[str, list[str]] = {}  # dequantised weight -> what it is stored as
        self.unsized: set[str] = set()
        self.arrays = 0  # bytes in attributes: constants are nodes' tensors, trees are lists
        for i in graph.initializer:
            self.shapes[i.name], self.widths[i.name] = tuple(i.dims), _width(i.data_type)
        for tensor in (*graph.input, *graph.value_info, *graph.output):
            kind = tensor.type.tensor_type
            dims = kind.shape.dim
            if kind.HasField("shape") and all(d.HasField("dim_value") for d in dims):
                self.shapes[tensor.name] = tuple(d.dim_value for d in dims)
                self.widths[tensor.name] = _width(kind.elem_type)
        for node in graph.node:
            if node.domain == "ai.onnx.ml":
                self.arrays += sum(a.ByteSize() for a in node.attribute)
            if all(name in self.stored for name in node.input if name):
                self._keep(node)

    def _keep(self, node: "onnx.NodeProto") -> None:
        """Count a constant's outputs as weights: quantised ones as they are stored, the others as
        the engine folds them at load."""
        for name in node.output:
            quantised = node.op_type == DEQUANTISE
            self.stored[name] = 0 if quantised else self.bytes(name)
            self.packed[name] = list(node.input) if quantised else []

    def constant(self, node: "onnx.NodeProto") -> bool:
        return all(name in self.stored for name in node.output)

    def shape(self, name: str) -> tuple[int, ...] | None:
        return self.shapes.get(name)

    def values(self, name: str) -> int:
        """Return a tensor's number of values; 0, and noted, where its shape is unknown."""
        shape = self.shapes.get(name)
        if shape is None:
            self.unsized.add(name)
            return 0
        return math.prod(shape)

    def bytes(self, name: str) -> int:
        return self.values(name) * self.widths.get(name, FLOAT_BYTES)

    def weight_bytes(self, nodes: "Sequence[onnx.NodeProto]") -> int:
        direct = {name for n in nodes for name in n.input if name in self.stored}
        read = direct | {name for reader in direct for name in self.packed.get(reader, [])}
        return sum(self.stored.get(name, 0) for name in read) + self.arrays


def stored_bytes(tensor: "onnx.TensorProto") -> int:
    """Return the bytes of a tensor's values as they are stored."""
    from onnx import TensorProto

    if tensor.data_type == TensorProto.STRING:
        return sum(map(len, tensor.string_data))
    count = math.prod(tensor.dims)
    if tensor.data_type in (TensorProto.INT4, TensorProto.UINT4):
        return -(-count // 2)
    return count * _width(tensor.data_type)


def _width(element: int) -> int:
    """Return the bytes of one value; of a string, whose length varies, those of a pointer."""
    from onnx import TensorProto, helper

    if element == TensorProto.STRING:
        return 8
    return helper.tensor_dtype_to_np_dtype(element).itemsize
