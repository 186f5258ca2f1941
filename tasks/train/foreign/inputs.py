"""The inputs of ONNX files as one matrix X (N, feature) of float32: a matrix, or a tensor a column.

Columns are found by their names, so that their order is free and those that no input asks for are
left out.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.errors import ParamsError
from tasks.core.graph import rename
from tasks.train.foreign import checking

if TYPE_CHECKING:
    import onnx


def to_matrix(model: "onnx.ModelProto", features: int, names: list[str], where: str) -> None:
    """Let a graph read X, whose columns have these names.

    Raises:
        ParamsError: its inputs are not numbers of that many columns, or of columns so named.
    """
    graph = model.graph
    constants = {i.name for i in graph.initializer}
    inputs = [i for i in graph.input if i.name not in constants]
    found = ", ".join(map(_declared, inputs[:8])) or "none"
    if not inputs or not all(_is_numeric(i) for i in inputs):
        raise checking.one_input(found, features, where, ", or an input for each")
    shapes = [[d.dim_value for d in i.type.tensor_type.shape.dim] for i in inputs]
    if fixed := [shape[0] for shape in shapes if shape and shape[0] > 1]:
        raise ParamsError(f"{where}: its batch is fixed to {fixed[0]}; export it with any")
    if len(inputs) == 1 and len(shapes[0]) == 2 and shapes[0][1] in (0, features):
        places = {inputs[0].name: None}
    elif (len(inputs) > 1 or inputs[0].name in names) and all(
        shape[1:] in ([], [0], [1]) for shape in shapes
    ):
        if lacking := [i.name for i in inputs if i.name not in names]:
            raise ParamsError(
                f"{where}: it has an input for each column; the table has no feature column of "
                f"numbers {', '.join(lacking[:8])}, only {', '.join(names[:8])}"
            )
        places = {i.name: names.index(i.name) for i in inputs}
    else:
        raise checking.one_input(found, features, where, ", or an input for each")
    rename(graph.node, "X", "given/X")  # an input of that name, or a tensor within
    nodes = []
    for tensor, shape in zip(inputs, shapes, strict=True):
        own = "given/X" if tensor.name == "X" else tensor.name
        nodes += _reading(own, tensor, places[tensor.name], len(shape))
    kept = [type(node).FromString(node.SerializeToString()) for node in graph.node]
    del graph.node[:]
    graph.node.extend([*nodes, *kept])
    del graph.input[:]
    graph.input.append(value("X", features))


def _reading(own: str, tensor: Any, place: int | None, rank: int) -> list[Any]:
    """Return the nodes that make an input of X, or of one of its columns."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, last = [], "X"
    if place is not None:
        index = numpy_helper.from_array(np.array([place] if rank == 2 else place))
        last = f"{own}/column"
        nodes = [
            helper.make_node("Constant", [], [f"{own}/place"], value=index),
            helper.make_node("Gather", ["X", f"{own}/place"], [last], axis=1),
        ]
    element = tensor.type.tensor_type.elem_type
    if element == TensorProto.FLOAT:
        return [*nodes, helper.make_node("Identity", [last], [own])]
    return [*nodes, helper.make_node("Cast", [last], [own], to=element)]


def in_float32(model: "onnx.ModelProto", X: np.ndarray) -> "onnx.ModelProto":
    """Return a graph with its float64 numbers in float32, which techniques and engines know; as it
    is where it has none, or gives something else then.
    """
    import onnx
    from onnx import TensorProto, numpy_helper

    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph, changed = made.graph, False
    held = [a.t for n in graph.node for a in n.attribute if a.HasField("t")]
    for tensor in (*graph.initializer, *held):
        if tensor.data_type == TensorProto.DOUBLE:
            array = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
            changed = True
    for node in graph.node:
        for attribute in node.attribute:
            if (node.op_type, attribute.name, attribute.i) == ("Cast", "to", TensorProto.DOUBLE):
                attribute.i = TensorProto.FLOAT
                changed = True
    if not changed:
        return model
    del graph.value_info[:]
    try:
        found = checking.outputs(made.SerializeToString(), X)
    except Exception:  # ONNX Runtime's, of no common kind: a float64 is left somewhere
        return model
    return made if checking.alike(found, checking.outputs(model.SerializeToString(), X)) else model


def value(name: str, width: int | None) -> "onnx.ValueInfoProto":
    """Return the declaration of a tensor (N, width) float32."""
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width])


def _is_numeric(tensor: "onnx.ValueInfoProto") -> bool:
    from onnx import TensorProto

    kinds = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.BOOL)
    whole = (TensorProto.INT64, TensorProto.INT32)
    return tensor.type.tensor_type.elem_type in (*kinds, *whole)


def _declared(tensor: "onnx.ValueInfoProto") -> str:
    """Return how a graph declares a tensor: `x of float32 [rows, 30]`."""
    from onnx import TensorProto, helper

    kind, sizes = tensor.type.tensor_type.elem_type, tensor.type.tensor_type.shape.dim
    words: dict[int, str] = {TensorProto.UNDEFINED: "another kind", TensorProto.STRING: "text"}
    named = words.get(kind) or helper.tensor_dtype_to_np_dtype(kind).name
    shown = [
        str(d.dim_value or d.dim_param or ("any" if i else "rows")) for i, d in enumerate(sizes)
    ]
    return f"{tensor.name} of {named} [{', '.join(shown)}]"
