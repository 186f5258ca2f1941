"""ONNX files, whoever wrote them, as graphs X (N, feature) -> the tensor of numbers they give."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.core.errors import ParamsError
from tasks.core.graph import IR_VERSION, rename
from tasks.train.foreign import checking, sums

if TYPE_CHECKING:
    import onnx


def read(content: bytes, X: np.ndarray, where: str) -> "onnx.ModelProto":
    """Return the graph with input X and one output of numbers.

    Raises:
        ParamsError: it is none, or not of one input of float32 [rows, feature].
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(content)
    except DecodeError:
        raise ParamsError(f"{where}: not an ONNX file") from None
    graph = model.graph
    constants = {i.name for i in graph.initializer}
    inputs = [i for i in graph.input if i.name not in constants]
    shapes = [[d.dim_value for d in i.type.tensor_type.shape.dim] for i in inputs]
    fits = len(inputs) == 1 and len(shapes[0]) == 2 and shapes[0][1] in (0, X.shape[1])
    if not fits or inputs[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        found = ", ".join(map(_declared, inputs)) or "none"
        raise checking.one_input(found, X.shape[1], where)
    if shapes[0][0] > 1:
        raise ParamsError(f"{where}: its batch is fixed to {shapes[0][0]}; export it with any")
    name = _prediction(graph, where)
    rename(graph.node, inputs[0].name, "X")
    del graph.input[:]
    graph.input.append(value("X", X.shape[1]))
    del graph.output[:]
    graph.output.append(value("X" if name == inputs[0].name else name, None))
    _keep_what_leads_to_output(graph)
    model.ir_version = min(model.ir_version, IR_VERSION)
    try:
        checking.outputs(model.SerializeToString(), X)
    except Exception as error:  # of ONNX Runtime's own kinds, which have no base
        reason = str(error).strip().splitlines()[0][:300]
        raise ParamsError(
            f"{where}: ONNX Runtime cannot run it on {len(X)} rows ({reason}); is it sound, and "
            "exported with any number of rows?"
        ) from None
    return sums.stated(model, X)


def with_weights(content: bytes, path: Path, where: str) -> bytes:
    """Return an ONNX file's content with the weights that lie in files of their own in it.

    Raises:
        ParamsError: these cannot be read, or lie outside of the model's folder.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(content)
    except DecodeError:
        return content  # `read` says so
    if not any(i.data_location == onnx.TensorProto.EXTERNAL for i in model.graph.initializer):
        return content
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise ParamsError(
            f"{where}: its weights are not in the files that it names beside it "
            f"({str(error).splitlines()[0]}). Put them there, or save it as one file "
            "(external_data=False in torch.onnx.export, save_as_external_data=False in onnx.save)"
        ) from None
    return model.SerializeToString(deterministic=True)


def _keep_what_leads_to_output(graph: "onnx.GraphProto") -> None:
    """Take out the nodes that only other outputs need, labels say."""
    if any(a.HasField("g") for n in graph.node for a in n.attribute):
        return  # inner graphs read outer tensors too
    wanted, kept = {graph.output[0].name}, []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            wanted |= set(node.input)
            kept.append(node)
    kept = [type(node).FromString(node.SerializeToString()) for node in reversed(kept)]
    del graph.node[:]
    graph.node.extend(kept)


def value(name: str, width: int | None) -> "onnx.ValueInfoProto":
    """Return the declaration of a tensor (N, width) float32."""
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width])


def _declared(tensor: "onnx.ValueInfoProto") -> str:
    """Return how a graph declares a tensor: `x of float32 [rows, 30]`."""
    from onnx import TensorProto, helper

    kind, sizes = tensor.type.tensor_type.elem_type, tensor.type.tensor_type.shape.dim
    named = (
        "another kind"
        if kind == TensorProto.UNDEFINED
        else helper.tensor_dtype_to_np_dtype(kind).name
    )
    shown = [
        str(d.dim_value or d.dim_param or ("any" if i else "rows")) for i, d in enumerate(sizes)
    ]
    return f"{tensor.name} of {named} [{', '.join(shown)}]"


def _prediction(graph: "onnx.GraphProto", where: str) -> str:
    """Return the tensor of probabilities or values: scikit-learn's converters wrap it in a ZipMap,
    and put the labels before it.
    """
    import onnx

    zipped = [n for n in graph.node if n.op_type == "ZipMap"]
    if zipped:
        for node in zipped:
            graph.node.remove(node)
        return zipped[0].input[0]
    floats = [o for o in graph.output if o.type.tensor_type.elem_type == onnx.TensorProto.FLOAT]
    if not floats:
        found = ", ".join(o.name for o in graph.output)
        raise ParamsError(f"{where}: no output of float32 among {found}")
    named = [o for o in floats if "prob" in o.name.lower()]
    return (named or floats)[0].name
