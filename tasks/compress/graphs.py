"""Reads and runs ONNX graphs: the parts of a whole graph, its weights, its sessions.

In a whole graph every node and inner tensor is named `prepare/…` or `model/…` after the part it is
of.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core import sizes
from tasks.core.graph import session_entries

if TYPE_CHECKING:
    import onnx

WEIGHTED = ("Conv", "Gemm", "MatMul")
QUANTISED = (
    *("QLinearConv", "ConvInteger", "QGemm", "QLinearMatMul", "MatMulInteger"),
    *("MatMulIntegerToFloat", "DynamicQuantizeMatMul"),
)
FLOATING = (*WEIGHTED, "FusedConv", "FusedGemm", "FusedMatMul", "ConvTranspose", "MatMulNBits")
WITH_WEIGHTS = (*WEIGHTED, "ConvInteger", "MatMulInteger")  # as their second input
UNPACKS = ("DequantizeLinear", "Cast", "Reshape")  # between stored weights and their layer
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


def is_half(graph: "onnx.GraphProto") -> bool:
    """Return whether all weights of the model's Conv, Gemm and MatMul nodes are float16."""
    from onnx import TensorProto

    types = {i.name: i.data_type for i in graph.initializer}
    types |= {
        n.output[0]: a.t.data_type for n in graph.node for a in n.attribute if a.HasField("t")
    }
    found = {types[name] for n in weighted(graph) for name in n.input if name in types}
    return found == {TensorProto.FLOAT16}


def flat(graph: "onnx.GraphProto") -> "list[onnx.NodeProto]":
    """Return the weighted nodes that quantisers take: not MatMul of a stack of matrices."""
    stacked = {i.name for i in graph.initializer if len(i.dims) > 2}
    return [n for n in weighted(graph) if n.op_type != "MatMul" or not stacked & set(n.input)]


def weights(
    graph: "onnx.GraphProto", only: Collection[str] | None = None
) -> "dict[str, onnx.TensorProto]":
    """Return the float32 weights of the model's Conv, Gemm and MatMul nodes, by name.

    `only`: of these nodes; None: of all.
    """
    from onnx import TensorProto

    read = {n.input[1] for n in weighted(graph) if only is None or n.name in only}
    return {
        i.name: i for i in graph.initializer if i.name in read and i.data_type == TensorProto.FLOAT
    }


def set_nodes(graph: "onnx.GraphProto", nodes: "list[onnx.NodeProto]") -> None:
    """Let these be the nodes of a graph, some of them its own; initializers nobody reads go."""
    import onnx

    kept = [onnx.NodeProto.FromString(n.SerializeToString()) for n in nodes]
    del graph.node[:]
    graph.node.extend(kept)
    read = {name for n in kept for name in n.input} - {name for n in kept for name in n.output}
    used = [i for i in graph.initializer if i.name in read]
    del graph.initializer[:]
    graph.initializer.extend(used)


def gemm_as_matmul(graph: "onnx.GraphProto") -> None:
    """State the model's Gemm nodes as MatMul and Add, where their factors are 1."""
    from onnx import helper, numpy_helper

    constants = {i.name: i for i in graph.initializer}
    nodes = []
    for node in graph.node:
        options = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        plain = not options.get("transA") and {options.get(k, 1.0) for k in ("alpha", "beta")} == {
            1.0
        }
        weight = constants.get(node.input[1]) if node.op_type == "Gemm" and plain else None
        if weight is None:
            nodes.append(node)
            continue
        if options.get("transB"):
            turned = np.ascontiguousarray(numpy_helper.to_array(weight).T)
            weight = numpy_helper.from_array(turned, f"{weight.name}/turned")
            graph.initializer.append(weight)
        output, biased = node.output[0], len(node.input) > 2
        product = f"{output}/product" if biased else output
        nodes.append(helper.make_node("MatMul", [node.input[0], weight.name], [product], node.name))
        if biased:
            inputs = [product, node.input[2]]
            nodes.append(helper.make_node("Add", inputs, [output], f"{node.name}/bias"))
    set_nodes(graph, nodes)


def is_trees(graph: "onnx.GraphProto") -> bool:
    """Return whether the model is a tree ensemble (`ai.onnx.ml`)."""
    return any(n.op_type.startswith("TreeEnsemble") for n in graph.node)


def weight_bytes(graph: "onnx.GraphProto") -> int:
    """Return the bytes of the weights: initializers, constants, arrays of tree ensembles."""
    total = sum(sizes.stored_bytes(t) for t in graph.initializer)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                total += sizes.stored_bytes(attribute.t)
            elif node.domain == "ai.onnx.ml":
                total += attribute.ByteSize()
    return total


def serialise(model: "onnx.ModelProto") -> bytes:
    """Return a model's bytes, the same each time."""
    return model.SerializeToString(deterministic=True)


def session(
    model: "bytes | onnx.ModelProto", options: Any = None, dialect: str | None = None
) -> Any:
    """Return an ONNX Runtime session on the CPU with one thread and these options."""
    import onnxruntime

    options = options or onnxruntime.SessionOptions()
    for key, value in session_entries(dialect).items():
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


def tensors(
    model: "onnx.ModelProto", names: Sequence[str], feed: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the values of inner float32 tensors for the rows of a feed, all at once."""
    import onnx
    from onnx import TensorProto, helper

    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
    )
    running = session(probe)
    found = running.run([*names], {i.name: feed[i.name] for i in running.get_inputs()})
    return dict(zip(names, found, strict=True))


def executed(model: "bytes | onnx.ModelProto", dialect: str | None = None) -> dict[str, int]:
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
        session(model, options, dialect)
        return dict(Counter(n.op_type for n in onnx.load(path).graph.node))
