"""ONNX files, whoever wrote them, as graphs X (N, feature) -> the tensor of numbers they give."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.core.errors import ParamsError
from tasks.core.fitting import FitData
from tasks.core.graph import IR_VERSION
from tasks.train.foreign import checking, inputs, sums

if TYPE_CHECKING:
    import onnx


def read(content: bytes, X: np.ndarray, data: FitData, where: str) -> "onnx.ModelProto":
    """Return the graph with input X and one output of numbers.

    Raises:
        ParamsError: it is none, its inputs are not the table's columns, or it does not run.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(content)
    except DecodeError:
        raise ParamsError(f"{where}: not an ONNX file") from None
    graph = model.graph
    inputs.to_matrix(model, X.shape[1], data.feature_names, where)
    ends = _candidates(graph, where)
    del graph.output[:]
    graph.output.extend(inputs.value(name, None) for name in ends)
    model.ir_version = min(model.ir_version, IR_VERSION)
    found = _tried(model, X, where)
    name = _fitting(dict(zip(ends, found, strict=True)), len(X), data)
    del graph.output[:]
    graph.output.append(inputs.value(name, None))
    _keep_what_leads_to_output(graph)
    return sums.stated(inputs.in_float32(model, X), X)


def _tried(model: "onnx.ModelProto", X: np.ndarray, where: str) -> list[np.ndarray]:
    """Return the outputs of a graph for some rows.

    Raises:
        ParamsError: it does not run.
    """
    try:
        return checking.all_outputs(model.SerializeToString(), X)
    except Exception as error:  # of ONNX Runtime's own kinds, which have no base
        reason = str(error).strip().splitlines()[0][:300]
        raise ParamsError(
            f"{where}: ONNX Runtime cannot run it on {len(X)} rows ({reason}); is it sound, and "
            "exported with any number of rows?"
        ) from None


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


def _candidates(graph: "onnx.GraphProto", where: str) -> list[str]:
    """Return the tensors of float32 that may be the prediction: scikit-learn's converters wrap it
    in a ZipMap, and put the labels before it.
    """
    from onnx import TensorProto, helper

    zipped = [n for n in graph.node if n.op_type == "ZipMap"]
    for node in zipped:
        graph.node.remove(node)
    if zipped:
        return [zipped[0].input[0]]
    kinds = {o.name: o.type.tensor_type.elem_type for o in graph.output}
    found = []
    for name, kind in kinds.items():
        if kind == TensorProto.DOUBLE:
            graph.node.append(
                helper.make_node("Cast", [name], [f"{name}/32"], to=TensorProto.FLOAT)
            )
            found.append(f"{name}/32")
        elif kind == TensorProto.FLOAT:
            found.append(name)
    if not found:
        raise ParamsError(f"{where}: no output of float32 among {', '.join(kinds)}")
    return found


def _fitting(found: dict[str, np.ndarray], rows: int, data: FitData) -> str:
    """Return which of a graph's outputs is the prediction: as wide as the target needs (one score
    of two classes will do), and probabilities rather than scores.
    """
    width = max(data.n_classes, 1) if data.task == "classification" else 1

    def worth(name: str) -> tuple[bool, bool, bool, bool]:
        got = found[name].reshape(rows, -1) if len(found[name]) == rows else np.zeros((rows, 0))
        fits = got.shape[1] == width
        shares = fits and bool(got.min() >= -1e-6 and np.abs(got.sum(1) - 1).max() < 1e-3)
        return fits, got.shape[1] == 1 and width == 2, shares, "prob" in name.lower()

    return max(found, key=worth)  # the first of equals
