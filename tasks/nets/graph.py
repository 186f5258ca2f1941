"""Builds small ONNX graphs node by node: exact, in milliseconds, in standard operators only."""

from typing import Any

import numpy as np

OPSET = 20
IR_VERSION = 10


class Graph:
    """A graph in the making, from the input `X` (N, feature) float32 to one output.

    Nodes and initialisers are numbered as they come, so that the same model gives the same bytes.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.versions: dict[str, int] = {"": OPSET}

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        """Return the name of a new initialiser with these values."""
        from onnx import numpy_helper

        name = f"c{len(self.initializers)}"
        array = np.ascontiguousarray(values, dtype)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def add(
        self, operator: str, *inputs: str, domain: str = "", version: int = OPSET, **attributes: Any
    ) -> str:
        """Return the name of the one output of a new node; `version` is that of its domain."""
        from onnx import helper

        name = f"{operator.lower()}_{len(self.nodes)}"
        self.versions[domain] = version
        self.nodes.append(
            helper.make_node(
                operator,
                list(inputs),
                [name],
                name=f"n{len(self.nodes)}",
                domain=domain,
                **attributes,
            )
        )
        return name

    def model(self, features: int, last: str, output: str, width: int) -> Any:
        """Return the onnx.ModelProto: X (N, features) -> `output` (N, width), both float32.

        `last` is the node output that becomes the graph's output, under the name `output`.
        """
        import onnx
        from onnx import TensorProto, helper

        self.nodes.append(helper.make_node("Identity", [last], [output], name="output"))
        if self.nodes[-2].output[0] == last:  # rename in place: no Identity needed
            self.nodes.pop()
            self.nodes[-1].output[0] = output
        graph = helper.make_graph(
            self.nodes,
            "model",
            [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["N", features])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", width])],
            self.initializers,
        )
        opsets = [helper.make_opsetid(*item) for item in sorted(self.versions.items())]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="temper"
        )
        onnx.checker.check_model(model)
        return model


def output_name(task: str) -> str:
    """Return what a model's output is called: `prediction`, or `probabilities`."""
    return "prediction" if task == "regression" else "probabilities"
