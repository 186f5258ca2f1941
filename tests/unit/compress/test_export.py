"""The whole graph: names, outputs, opsets, parity, bytes."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tasks.compress import export, graphs
from tasks.core.errors import ParityError
from tasks.core.prepared import Input, Meta


def model_of(nodes, inputs, outputs, initializers=(), opset=20, ir=9):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)


def floats(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def prepare(column="a"):
    """(column - 1) as X (N, 1)."""
    one = numpy_helper.from_array(np.float32([1]), "one")
    return model_of(
        [helper.make_node("Sub", [column, "one"], ["X"])],
        [floats(column, "N", 1)],
        [floats("X", "N", 1)],
        [one],
    )


def doubled(opset=20, output="prediction", operator="Mul"):
    """2 X (N, 1); its initializer has the name that the preparation's has."""
    two = numpy_helper.from_array(np.float32([2]), "one")
    node = helper.make_node(operator, ["X", "one"], [output])
    node.metadata_props.add(key="where", value="/some/path.py")
    node.doc_string = "a stack trace"
    return model_of([node], [floats("X", "N", 1)], [floats(output, "N", 1)], [two], opset)


def meta(column="a", classes=None):
    return Meta(
        task="classification" if classes else "regression",
        target="y",
        classes=classes,
        inputs=[Input(name=column, dtype="float32")],
        feature_names=["a"],
        parts={"train": 1, "test": 1},
        judged="test",
        split={},
    )


def test_parts_are_joined_without_mixing_up_equal_names():
    whole = export.whole(prepare(), doubled(), meta())
    got = graphs.session(whole).run(None, {"a": np.float32([[3], [5], [0]])})
    assert got[0].tolist() == [[4.0], [8.0], [-2.0]]
    assert [n.name.split("/")[0] for n in whole.graph.node] == ["prepare", "model"]


@pytest.mark.parametrize("opset", [13, 17, 20])
def test_opsets_are_brought_together(opset):
    whole = export.whole(prepare(), doubled(opset), meta())
    assert [(o.domain, o.version) for o in whole.opset_import] == [("", 20)]
    assert whole.ir_version == export.IR_VERSION


def test_classification_gives_probabilities_and_label():
    weights = numpy_helper.from_array(np.float32([[1, -1]]), "w")
    model = model_of(
        [
            helper.make_node("MatMul", ["X", "w"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        ],
        [floats("X", "N", 1)],
        [floats("probabilities", "N", 2)],
        [weights],
    )
    whole = export.whole(prepare(), model, meta(classes=["no", "yés"]))
    names = [(o.name, o.type.tensor_type.elem_type) for o in whole.graph.output]
    assert names == [("probabilities", TensorProto.FLOAT), ("label", TensorProto.INT64)]
    probabilities, label = graphs.session(whole).run(None, {"a": np.float32([[4], [-4]])})
    assert label.tolist() == [0, 1]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    properties = {p.key: p.value for p in whole.metadata_props}
    assert json.loads(properties["classes"]) == ["no", "yés"]
    assert (properties["task"], properties["target"]) == ("classification", "y")
    assert whole.producer_name == "temper"


def test_a_column_may_have_the_name_of_an_output():
    whole = export.whole(prepare("prediction"), doubled(), meta("prediction"))
    assert [o.name for o in whole.graph.output] == ["prediction_"]
    got = graphs.session(whole).run(None, {"prediction": np.float32([[3]])})
    assert got[0].tolist() == [[4.0]]


def test_no_trace_of_where_it_was_made_and_equal_bytes():
    first, second = (graphs.serialise(export.whole(prepare(), doubled(), meta())) for _ in "ab")
    assert first == second
    assert b"stack trace" not in first
    assert b"/some/path" not in first


def test_a_graph_without_the_agreed_output_is_refused():
    with pytest.raises(ParityError, match="expected input 'X' and output 'prediction'"):
        export.whole(prepare(), doubled(output="y"), meta())


def test_difference_is_relative_to_the_usual_size():
    b = np.array([100.0, 200.0, 0.0])  # mean 100
    found = export.difference(b + np.array([0.01, 0.0, 0.01]), b)
    assert found.max_abs == pytest.approx(0.01)
    assert found.max_rel == pytest.approx(1e-4)
    assert export.difference(np.zeros(3), np.zeros(3)).max_rel == 0
    assert export.difference(np.array([np.nan]), np.ones(1)).max_rel == np.inf


def test_over_the_tolerance_is_an_error_that_names_the_row():
    b = np.array([[0.4, 0.6], [0.9, 0.1]])
    with pytest.raises(ParityError, match="worst at judged row 1"):
        export.verify(b + np.array([[0, 0], [1e-3, 0]]), b, 1e-4, "ONNX graph of x")
    assert export.verify(b + 1e-6, b, 1e-4, "x").rows == 2
    with pytest.raises(ParityError, match="shape"):
        export.verify(b[:1], b, 1e-4, "x")
    with pytest.raises(ParityError, match="inf"):
        export.verify(b * np.nan, b, 1e-4, "x")


def test_weight_bytes_count_tensors_and_trees():
    whole = export.whole(prepare(), doubled(), meta())
    assert graphs.weight_bytes(whole.graph) == 8
    tree = helper.make_node(
        "TreeEnsembleRegressor", ["X"], ["y"], domain="ai.onnx.ml", nodes_values=[0.5] * 100
    )
    whole.graph.node.append(tree)
    assert 500 < graphs.weight_bytes(whole.graph) < 540  # a tag and four bytes each
    assert graphs.is_trees(whole.graph)


def test_functions_are_inlined():
    function = helper.make_function(
        "own", "Twice", ["x"], ["y"], [helper.make_node("Add", ["x", "x"], ["y"])],
        [helper.make_opsetid("", 20)],
    )  # fmt: skip
    graph = helper.make_graph(
        [helper.make_node("Twice", ["X"], ["prediction"], domain="own")],
        "g", [floats("X", "N", 1)], [floats("prediction", "N", 1)],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=opsets, functions=[function])
    whole = export.whole(prepare(), model, meta())
    assert not whole.functions
    onnx.checker.check_model(whole)
    assert graphs.session(whole).run(None, {"a": np.float32([[3]])})[0].tolist() == [[4.0]]
