"""Builds an ONNX graph node by node: standard operators only, opset 20."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tasks.core.prepared import Input

OPSET = 20
IR_VERSION = 10  # what ONNX Runtime, OpenVINO and TensorRT of 2026 all read


class Graph:
    """An ONNX graph in the making: `add` and `constant` give back tensor names."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._count = 0

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"prepare_{kind}_{self._count}"

    def add(self, op: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node with one output; return the output's name."""
        from onnx import helper

        output = output or self._name(op.lower())
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, values: Any, dtype: Any = None) -> str:
        """Add an initializer (`dtype=str`: of strings); return its name."""
        from onnx import TensorProto, helper, numpy_helper

        name = self._name("constant")
        if dtype is str:
            texts = np.asarray(values, dtype=object)
            content: Any = [str(v).encode() for v in texts.ravel()]
            tensor = helper.make_tensor(name, TensorProto.STRING, texts.shape, content)
        else:
            tensor = numpy_helper.from_array(np.asarray(values, dtype=dtype), name)
        self.initializers.append(tensor)
        return name

    def cast(self, tensor: str, dtype: str) -> str:
        """Add a cast to numpy's `dtype`; return the output's name."""
        return self.add("Cast", tensor, to=_element(dtype))

    def joined(self, tensors: Sequence[str], output: str | None = None) -> str:
        """Add a concatenation of columns; return the output's name (of one tensor: its own)."""
        if len(tensors) == 1:
            return self.add("Identity", tensors[0], output=output) if output else tensors[0]
        return self.add("Concat", *tensors, axis=1, output=output)

    def model(self, inputs: list[Input], output: str, width: int) -> Any:
        """Return the checked `onnx.ModelProto`: inputs (N, *shape) -> `output` (N, width)."""
        import onnx
        from onnx import TensorProto, helper

        graph = helper.make_graph(
            self.nodes,
            "prepare",
            [
                helper.make_tensor_value_info(i.name, _element(i.dtype), ["N", *i.shape])
                for i in inputs
            ],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", width])],
            self.initializers,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="temper"
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def _element(dtype: str) -> int:
    from onnx import TensorProto, helper

    if dtype == "string":
        return TensorProto.STRING
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
