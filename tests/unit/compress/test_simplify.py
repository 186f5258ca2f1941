"""`simplify`: constants are folded, operators fused, and the values stay."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tasks.compress import graphs
from tasks.compress.protocol import NotApplicable, Parent
from tasks.compress.techniques import simplify


def test_constants_are_folded_and_identities_go(numbers):
    given = {
        "w": np.float32([[1, 2], [3, 4]]), "two": np.float32([2]), "b": np.float32([1, -1]),
    }  # fmt: skip
    nodes = [
        helper.make_node("Mul", ["w", "two"], ["model/w2"], "model/double"),
        helper.make_node("Identity", ["X"], ["model/same"], "model/same"),
        helper.make_node("MatMul", ["model/same", "model/w2"], ["model/xw"], "model/product"),
        helper.make_node("Add", ["model/xw", "b"], ["y"], "model/bias"),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", 2]) for n in ("X", "y")]
    graph = helper.make_graph(
        nodes, "g", ends[:1], ends[1:], [numpy_helper.from_array(v, n) for n, v in given.items()]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    parent = Parent(model, numbers.model("linear"), None)
    made = simplify.apply(parent, simplify.Params(), None)
    onnx.checker.check_model(made)
    assert len(made.graph.node) < 3
    assert all(n.name.startswith("model/") for n in made.graph.node)
    X = np.float32([[1, 0], [0, 1], [5, -3]])
    expected = X @ (2 * given["w"]) + given["b"]
    np.testing.assert_allclose(graphs.session(made).run(None, {"X": X})[0], expected, rtol=1e-6)
    with pytest.raises(NotApplicable, match="nothing to fold"):
        simplify.apply(Parent(made, numbers.model("linear"), None), simplify.Params(), None)
