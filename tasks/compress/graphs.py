"""Reads and runs ONNX graphs: the parts of a whole graph, its weights, its sessions.

In a whole graph every node and inner tensor is named `prepare/…` or `model/…` after the part it is
of.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.graph import AS_WRITTEN, INT8_TRT

if TYPE_CHECKING:
    import onnx

WEIGHTED = ("Conv", "Gemm", "MatMul")
QUANTISED = (
    *("QLinearConv", "ConvInteger", "QGemm", "QLinearMatMul", "MatMulInteger"),
    *("MatMulIntegerToFloat", "DynamicQuantizeMatMul"),
)
FLOATING = (*WEIGHTED, "FusedConv", "FusedGemm", "FusedMatMul", "ConvTranspose")
PREPARE, MODEL = "prepare/", "model/"
BATCH_ROWS = 1024


def of_model(graph: "onnx.GraphProto") -> "list[onnx.NodeProto]":
    """Return the nodes of the model, without those of the preparation."""
    return [n for n in graph.node if not n.name.startswith(PREPARE)]


def weighted(graph: "onnx.GraphProto") -> "list[onnx.NodeProto]":
    """Return the model's Conv, Gemm and MatMul nodes with a weight among the initializers."""
    constants = {i.name for i in graph.initializer}
    constants |= {n.output[0] for n in graph.node if n.op_type in ("Constant", "DequantizeLinear")}
    return [
        n for n in of_model(graph) if n.op_type in WEIGHTED and any(i in constants for i in n.input)
    ]


def is_trees(graph: "onnx.GraphProto") -> bool:
    """Return whether the model is a tree ensemble (`ai.onnx.ml`)."""
    return any(n.op_type.startswith("TreeEnsemble") for n in graph.node)


def weight_bytes(graph: "onnx.GraphProto") -> int:
    """Return the bytes of the weights: initializers, constants, arrays of tree ensembles."""
    total = sum(tensor_bytes(t) for t in graph.initializer)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                total += tensor_bytes(attribute.t)
            elif node.domain == "ai.onnx.ml":
                total += attribute.ByteSize()
    return total


def tensor_bytes(tensor: "onnx.TensorProto") -> int:
    """Return the bytes of a tensor's values."""
    from onnx import TensorProto, helper

    if tensor.data_type == TensorProto.STRING:
        return sum(map(len, tensor.string_data))
    count = int(np.prod(tensor.dims)) if tensor.dims else 1
    return count * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize


def serialise(model: "onnx.ModelProto") -> bytes:
    """Return a model's bytes, the same each time."""
    return model.SerializeToString(deterministic=True)


def session(
    model: "bytes | onnx.ModelProto", options: Any = None, dialect: str | None = None
) -> Any:
    """Return an ONNX Runtime session on the CPU with one thread and these options."""
    import onnxruntime

    options = options or onnxruntime.SessionOptions()
    for key, value in AS_WRITTEN.items() if dialect == INT8_TRT else ():
        options.add_session_config_entry(key, value)
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    content = model if isinstance(model, bytes) else serialise(model)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def run(running: Any, feed: dict[str, np.ndarray]) -> np.ndarray:
    """Return the first output (probabilities or prediction) for all rows of a feed, in batches."""
    rows = len(next(iter(feed.values())))
    wanted = {i.name for i in running.get_inputs()}  # a constant model reads none or few of them
    output = [running.get_outputs()[0].name]
    parts = [
        running.run(output, {k: v[at : at + BATCH_ROWS] for k, v in feed.items() if k in wanted})[0]
        for at in range(0, rows, BATCH_ROWS)
    ]
    return np.concatenate(parts)


def executed(model: "bytes | onnx.ModelProto") -> dict[str, int]:
    """Return how many nodes of each operator ONNX Runtime's CPU really runs, after fusion."""
    import tempfile
    from collections import Counter
    from pathlib import Path

    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        options.optimized_model_filepath = str(path)
        session(model, options)
        return dict(Counter(n.op_type for n in onnx.load(path).graph.node))
