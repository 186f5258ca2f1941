"""One ONNX graph of a fitted model: raw columns in, prediction out; verified on real rows."""

import json
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.compress.graphs import MODEL, PREPARE
from tasks.core.errors import ParityError
from tasks.core.graph import IR_VERSION, output_name, rename
from tasks.core.prepared import Meta

if TYPE_CHECKING:
    import onnx


class Difference(NamedTuple):
    """How far predictions `a` are from those of the original, `b`, over rows and classes.

    max_abs: max |a - b|; max_rel: max |a - b| / max(|b|, scale), where scale is the mean of |b|, so
    that predictions near 0 are judged by the size of the usual ones.
    """

    rows: int
    max_abs: float
    max_rel: float


def difference(a: np.ndarray, b: np.ndarray) -> Difference:
    """Return how far (n,) or (n, k) predictions `a` are from `b`; infinite if one is."""
    a = np.asarray(a, np.float64).reshape(len(a), -1)
    b = np.asarray(b, np.float64).reshape(len(b), -1)
    if a.shape != b.shape:
        raise ParityError(f"predictions of shape {a.shape}, expected {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return Difference(len(a), float("inf"), float("inf"))
    apart = np.abs(a - b)
    scale = max(float(np.abs(b).mean()), np.finfo(np.float32).tiny)
    relative = apart / np.maximum(np.abs(b), scale)
    return Difference(len(a), float(apart.max()), float(relative.max()))


def verify(a: np.ndarray, b: np.ndarray, tolerance: float, what: str) -> Difference:
    """Return how far `a` is from `b`.

    Raises:
        ParityError: further than the tolerance, relatively.
    """
    found = difference(a, b)
    if not found.max_rel <= tolerance:
        apart = np.abs(np.reshape(a, (len(a), -1)) - np.reshape(b, (len(b), -1))).max(axis=1)
        row = int(np.argmax(np.where(np.isfinite(apart), apart, np.inf)))
        raise ParityError(
            f"{what}: expected what the original predicts to {tolerance:g} relative, found "
            f"{found.max_rel:.3g} (largest difference {found.max_abs:.3g}) over {found.rows} rows; "
            f"worst at judged row {row}: {np.ravel(a[row])[:5]} instead of "
            f"{np.ravel(b[row])[:5]}. The graph of the preparation, or the model's "
            "to_onnx, does not compute what they do."
        )
    return found


def whole(prepare: "onnx.ModelProto", model: "onnx.ModelProto", meta: Meta) -> "onnx.ModelProto":
    """Return one graph of the preparation (columns -> X) and the model (X -> prediction).

    Inputs: `meta.inputs`. Outputs: classification `probabilities` float32 [N, k] and `label` int64
    [N]; regression `prediction` float32 [N, 1]; forecast `quantiles` float32 [N, horizon,
    quantile]; an output whose name is a column's gets `_` behind
    it.
    """
    import onnx
    from onnx import TensorProto, compose, helper

    opset = max(_opset(prepare), _opset(model))
    output = output_name(meta.task)
    prepare, model = (_plain(at_opset(m, opset)) for m in (prepare, model))
    _only_output(model, output)
    domains = {o.domain: o.version for m in (prepare, model) for o in m.opset_import}
    for part in (prepare, model):
        del part.opset_import[:]
        part.opset_import.extend(helper.make_opsetid(d, v) for d, v in sorted(domains.items()))
    prepare = compose.add_prefix(prepare, PREPARE, rename_inputs=False)
    model = compose.add_prefix(model, MODEL)
    merged = compose.merge_models(
        prepare, model, io_map=[(f"{PREPARE}X", f"{MODEL}X")], outputs=[MODEL + output]
    )
    graph = merged.graph
    graph.name = "temper"
    taken = {i.name for i in graph.input}
    name = _free(output, taken)
    rename(graph.node, MODEL + output, name)
    shape: list[int] = [meta.outputs]
    if meta.sequence:  # quantiles of each step, instead of all in one row
        shape = [meta.sequence.horizon, len(meta.sequence.quantiles)]
        _shaped(graph, name, shape)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape]))
    if meta.classes:
        label = _free("label", taken)
        graph.node.append(
            helper.make_node("ArgMax", [name], [label], f"{MODEL}label", axis=1, keepdims=0)
        )
        graph.output.append(helper.make_tensor_value_info(label, TensorProto.INT64, ["N"]))
    name_nodes(graph)
    merged = finish(merged, meta)
    onnx.checker.check_model(merged)
    return merged


def _shaped(graph: "onnx.GraphProto", name: str, shape: list[int]) -> None:
    """Let the tensor `name` be its rows in this shape."""
    from onnx import helper, numpy_helper

    flat, target = f"{MODEL}{name}_flat", f"{MODEL}{name}_shape"
    rename(graph.node, name, flat)
    graph.initializer.append(numpy_helper.from_array(np.array([-1, *shape]), target))
    graph.node.append(helper.make_node("Reshape", [flat, target], [name], f"{MODEL}{name}"))


def finish(model: "onnx.ModelProto", meta: Meta) -> "onnx.ModelProto":
    """Return the model with Temper's metadata, and without notes that differ from run to run."""
    from onnx import helper

    model = _plain(model)
    model.producer_name = "temper"
    properties = {"task": meta.task, "target": meta.target}
    if meta.sequence:
        properties["sequence"] = meta.sequence.model_dump_json()
    if meta.classes:
        properties["classes"] = json.dumps(meta.classes, ensure_ascii=False)
    helper.set_model_props(model, properties)
    return model


def _plain(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """Return a copy without local functions, documentation, metadata and inferred shapes.

    torch's exporter writes stack traces with file paths; onnxruntime's tools trip over stale
    shapes.
    """
    import onnx
    from onnx import helper, inliner

    copy = inliner.inline_local_functions(model) if model.functions else onnx.ModelProto()
    if not model.functions:
        copy.CopyFrom(model)
    copy.ir_version = IR_VERSION
    copy.doc_string = copy.producer_name = copy.producer_version = copy.domain = ""
    copy.model_version = 0
    del copy.metadata_props[:]
    graph = copy.graph
    used = {"", *(n.domain for n in graph.node)}  # tools add their own, and some of them twice
    domains = {o.domain: o.version for o in copy.opset_import if o.domain in used}
    del copy.opset_import[:]
    copy.opset_import.extend(helper.make_opsetid(d, v) for d, v in sorted(domains.items()))
    graph.doc_string = ""
    del graph.metadata_props[:]
    del graph.value_info[:]
    for item in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        item.doc_string = ""
        del item.metadata_props[:]
    return copy


def _opset(model: "onnx.ModelProto") -> int:
    return next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))


def at_opset(model: "onnx.ModelProto", version: int) -> "onnx.ModelProto":
    """Return a copy at a later opset; converted only where an operator changed in between."""
    import onnx
    from onnx import defs, version_converter

    before = _opset(model)

    def changed(node: "onnx.NodeProto") -> bool:
        old, new = (defs.get_schema(node.op_type, v, "").since_version for v in (before, version))
        return old != new

    if any(changed(n) for n in model.graph.node if n.domain in ("", "ai.onnx")):
        return version_converter.convert_version(model, version)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for item in copy.opset_import:
        if item.domain in ("", "ai.onnx"):
            item.version = version
    return copy


def _only_output(model: "onnx.ModelProto", name: str) -> None:
    kept = [o for o in model.graph.output if o.name == name]
    found = [i.name for i in model.graph.input]
    if not kept or found != ["X"]:
        raise ParityError(
            f"the model's graph: expected input 'X' and output {name!r}, found {found} and "
            f"{[o.name for o in model.graph.output]}"
        )
    del model.graph.output[:]
    model.graph.output.extend(kept)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def name_nodes(graph: "onnx.GraphProto") -> None:
    """Name every node uniquely, the part it is of first: techniques choose nodes by name."""
    inner = {o for n in graph.node if n.name.startswith(PREPARE) for o in n.output}
    seen: set[str] = set()
    for at, node in enumerate(graph.node):
        first = node.output[0]
        part = PREPARE if first in inner or first.startswith(PREPARE) else MODEL
        if not node.name.startswith(part) or node.name in seen:
            node.name = f"{part}{node.op_type}_{at}"
        seen.add(node.name)
