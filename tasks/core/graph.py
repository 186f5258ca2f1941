"""Builds an ONNX graph node by node: exact, in milliseconds, in standard operators only."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tasks.core.prepared import Input

OPSET = 20
IR_VERSION = 10  # what ONNX Runtime, OpenVINO and TensorRT of 2026 all read
INT8_TRT, INT4_QDQ = "int8_trt", "int4_qdq"
# ONNX Runtime's CPU computes these in float32 as they are written. int8_trt: no slower than its
# integer kernels for signed activations, whose sums overflow where the CPU has no VNNI. int4_qdq:
# the weights are unpacked at load, else in each call (1024 x 1024, one row: 2.8 ms, not 0.17).
AS_WRITTEN = {"session.disable_quant_qdq": "1"}


def session_entries(dialect: str | None) -> dict[str, str]:
    """Return ONNX Runtime's settings for a variant's dialect."""
    return AS_WRITTEN if dialect in (INT8_TRT, INT4_QDQ) else {}


def rename(nodes: Iterable[Any], old: str, new: str) -> None:
    """Give a tensor another name wherever nodes read or make it."""
    for node in nodes:
        for names in (node.input, node.output):
            for at, name in enumerate(names):
                if name == old:
                    names[at] = new


class Graph:
    """An ONNX graph in the making: `add` and `constant` give back tensor names.

    Names are numbered as they come, so that the same model gives the same bytes. `prefix` keeps
    them apart from inputs that are named after a table's columns.
    """

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.versions: dict[str, int] = {"": OPSET}

    def add(
        self, operator: str, *inputs: str, domain: str = "", version: int = OPSET, **attributes: Any
    ) -> str:
        """Return the name of the one output of a new node; `version` is that of its domain."""
        from onnx import helper

        output = f"{self.prefix}{operator.lower()}_{len(self.nodes)}"
        self.versions[domain] = version
        self.nodes.append(
            helper.make_node(
                operator, list(inputs), [output], name=output, domain=domain, **attributes
            )
        )
        return output

    def also(self, tensor: str, count: int) -> list[str]:
        """Return the names of the outputs of the node that makes `tensor`, which has `count`."""
        [node] = [n for n in self.nodes if n.output[0] == tensor]
        node.output.extend(f"{tensor}_{at}" for at in range(1, count))
        return list(node.output)

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        """Return the name of a new initialiser with these values (`dtype=str`: strings)."""
        from onnx import TensorProto, helper, numpy_helper

        name = f"{self.prefix}c{len(self.initializers)}"
        if dtype is str:
            texts = np.asarray(values, dtype=object)
            content: Any = [str(v).encode() for v in texts.ravel()]
            tensor = helper.make_tensor(name, TensorProto.STRING, texts.shape, content)
        else:
            tensor = numpy_helper.from_array(np.asarray(values, dtype=dtype), name)
        self.initializers.append(tensor)
        return name

    def include(self, model: Any, prefix: str) -> str:
        """Return the output of another graph, put in here; its inputs are this one's.

        prefix: of its tensors' and nodes' names, its own.
        """
        from onnx import compose

        own = compose.add_prefix(model, prefix, rename_inputs=False)
        self.nodes.extend(own.graph.node)
        self.initializers.extend(own.graph.initializer)
        self.versions |= {opset.domain: opset.version for opset in own.opset_import}
        return own.graph.output[0].name

    def cast(self, tensor: str, dtype: str) -> str:
        """Return the name of a tensor cast to numpy's `dtype`."""
        return self.add("Cast", tensor, to=_element(dtype))

    def joined(self, tensors: Sequence[str]) -> str:
        """Return the name of the columns of all tensors side by side (of one tensor: its own)."""
        return tensors[0] if len(tensors) == 1 else self.add("Concat", *tensors, axis=1)

    def model(self, inputs: Sequence[Input], last: str, output: str, width: int) -> Any:
        """Return the checked `onnx.ModelProto`: inputs (N, *shape) -> `output` (N, width) float32.

        `last` is the tensor that becomes the graph's output, under the name `output`.
        """
        import onnx
        from onnx import TensorProto, helper

        if self.nodes and self.nodes[-1].output[0] == last:  # nothing reads it: renamed in place
            self.nodes[-1].output[0] = output
        else:
            self.nodes.append(helper.make_node("Identity", [last], [output], name=output))
        graph = helper.make_graph(
            self.nodes,
            "temper",
            [
                helper.make_tensor_value_info(i.name, _element(i.dtype), ["N", *i.shape])
                for i in inputs
            ],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", width])],
            self.initializers,
        )
        opsets = [helper.make_opsetid(*item) for item in sorted(self.versions.items())]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="temper"
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def matrix(features: int) -> list[Input]:
    """Return the one input of a model's graph: X (N, feature) float32."""
    return [Input(name="X", dtype="float32", shape=(features,))]


def output_name(task: str) -> str:
    """Return what a model's output is called: `prediction`, `probabilities` or `quantiles`."""
    return {"regression": "prediction", "forecast": "quantiles"}.get(task, "probabilities")


def _element(dtype: str) -> int:
    from onnx import TensorProto, helper

    if dtype == "string":
        return TensorProto.STRING
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
