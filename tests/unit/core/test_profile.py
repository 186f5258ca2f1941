"""What a graph costs: multiply-adds, bytes moved, weights, the buffers that live together."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tasks.core.buffers import GIVEN, Buffers
from tasks.core.profile import (
    INTEGER_OPERATOR_BYTES,
    OPERATOR_BYTES,
    Layer,
    convolution_class,
    layers,
    profile,
)

FLOAT = 4


def graph(nodes, inputs, output, weights, element=TensorProto.FLOAT):
    """A model with a symbolic batch; weights: name -> array."""
    given = [helper.make_tensor_value_info(n, element, ["N", *s]) for n, s in inputs.items()]
    made = helper.make_graph(
        [helper.make_node(op, read, write, **options) for op, read, write, options in nodes],
        "hand-made",
        given,
        [helper.make_tensor_value_info(output, element, None)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


def test_multiply_adds_by_class_and_weights():
    nodes = [
        ("Conv", ["X", "a"], ["h"], {"pads": [1, 1, 1, 1]}),
        ("Conv", ["h", "b"], ["i"], {"pads": [1, 1, 1, 1], "group": 8}),
        ("Conv", ["i", "c"], ["j"], {"strides": [2, 2]}),
        ("Flatten", ["j"], ["k"], {}),
        ("Gemm", ["k", "d"], ["out"], {"transB": 1}),
    ]
    weights = {"a": zeros(8, 3, 3, 3), "b": zeros(8, 1, 3, 3), "c": zeros(4, 8, 1, 1)}
    made = graph(nodes, {"X": (3, 6, 6)}, "out", weights | {"d": zeros(5, 36)})
    assert layers(made) == [
        Layer("conv_3x3", 8, 3, 9, 36),
        Layer("depthwise", 8, 1, 9, 36),
        Layer("conv", 4, 8, 1, 9),
        Layer("fully_connected", 5, 36),
    ]
    found = profile(made)
    assert found.work.macs == {
        "conv_3x3": 36 * 8 * 27,
        "depthwise": 36 * 8 * 9,
        "conv": 9 * 4 * 8,
        "fully_connected": 5 * 36,
    }
    assert found.work.weight_bytes == FLOAT * (8 * 27 + 8 * 9 + 4 * 8 + 5 * 36)
    read_and_written = (108 + 288) + (288 + 288) + (288 + 36) + (36 + 5)
    assert found.work.activation_bytes == FLOAT * read_and_written
    assert not found.unsized
    assert not found.int8


@pytest.mark.parametrize(
    ("kernel", "stride", "groups", "channels", "name"),
    [
        ((3, 3), 1, 1, 8, "conv_3x3"),
        ((3, 3), 2, 1, 8, "conv"),
        ((1, 1), 1, 1, 8, "conv"),
        ((3, 3), 1, 8, 8, "depthwise"),
        ((3, 3), 1, 2, 8, "conv"),
    ],
)
def test_a_convolution_has_its_class(kernel, stride, groups, channels, name):
    assert convolution_class(kernel, stride, groups, channels) == name


def test_a_residual_stays_alive_and_what_has_no_other_reader_is_overwritten():
    nodes = [
        ("Conv", ["X", "a"], ["h"], {}),
        ("Conv", ["h", "b"], ["i"], {}),
        ("Relu", ["i"], ["j"], {}),
        ("Add", ["h", "j"], ["k"], {}),
        ("GlobalAveragePool", ["k"], ["out"], {}),
    ]
    weights = {"a": zeros(10, 2, 1, 1), "b": zeros(10, 10, 1, 1)}
    found = profile(graph(nodes, {"X": (2, 5, 5)}, "out", weights))
    # the input, the residual, the branch: relu and sum are computed in their places
    assert found.live_bytes == FLOAT * 25 * (2 + 10 + 10)
    assert found.tensor_bytes == found.live_bytes + found.work.weight_bytes
    assert found.peak_bytes == found.tensor_bytes + OPERATOR_BYTES * 4  # the relu is fused
    # a fused relu moves nothing; the sum reads two and writes one
    assert found.work.activation_bytes == FLOAT * (25 * (12 + 20 + 30 + 10) + 10)


def test_a_relu_of_what_is_read_again_needs_memory_of_its_own():
    nodes = [
        ("Conv", ["X", "a"], ["h"], {}),
        ("Relu", ["h"], ["i"], {}),
        ("Concat", ["h", "i"], ["out"], {"axis": 1}),
    ]
    found = profile(graph(nodes, {"X": (2, 5, 5)}, "out", {"a": zeros(10, 2, 1, 1)}))
    assert found.live_bytes == FLOAT * 25 * (2 + 10 + 10 + 20)


def test_quantised_tensors_count_as_they_are_stored():
    scale = {"s": np.float32(0.1), "z": np.uint8(0), "w": zeros(10, 2, 1, 1, dtype=np.uint8)}
    nodes = [
        ("QuantizeLinear", ["X", "s", "z"], ["xq"], {}),
        ("DequantizeLinear", ["xq", "s", "z"], ["x"], {}),
        ("DequantizeLinear", ["w", "s", "z"], ["a"], {}),
        ("Conv", ["x", "a"], ["h"], {}),
        ("QuantizeLinear", ["h", "s", "z"], ["hq"], {}),
        ("DequantizeLinear", ["hq", "s", "z"], ["out"], {}),
    ]
    weights = {name: np.asarray(value) for name, value in scale.items()}
    found = profile(graph(nodes, {"X": (2, 5, 5)}, "out", weights))
    assert found.int8
    assert found.work.weight_bytes == 20 + FLOAT + 1
    assert found.live_bytes == FLOAT * 50 + 50 + 250  # the caller's floats, then bytes
    assert found.work.macs["conv"] == 25 * 20
    assert found.work.activation_bytes == FLOAT * (50 + 250)  # as if it were float32


@pytest.mark.parametrize(
    ("channels", "kernel", "group", "expected"),
    [
        (2, 1, 1, 2 * 25 + 4 * 250),  # windows unrolled, and sums
        (3, 3, 1, 27 * 25 + 4 * 250),
        (4, 1, 1, 0),
        (4, 3, 1, 8 * 9 * 25),  # addresses
        (10, 3, 10, 8 * 9 * 25),
    ],
)
def test_a_convolution_on_integers_takes_working_memory(channels, kernel, group, expected):
    weight = zeros(10, channels // group, kernel, kernel, dtype=np.uint8)
    scale = {"s": np.float32(0.1), "z": np.uint8(0), "w": weight}
    attributes = {"pads": [kernel // 2] * 4, "group": group}
    nodes = [
        ("QuantizeLinear", ["X", "s", "z"], ["xq"], {}),
        ("DequantizeLinear", ["xq", "s", "z"], ["x"], {}),
        ("DequantizeLinear", ["w", "s", "z"], ["a"], {}),
        ("Conv", ["x", "a"], ["h"], attributes),
        ("Relu", ["h"], ["r"], {}),
        ("QuantizeLinear", ["r", "s", "z"], ["hq"], {}),
        ("DequantizeLinear", ["hq", "s", "z"], ["out"], {}),
    ]
    weights = {name: np.asarray(value) for name, value in scale.items()}
    found = profile(graph(nodes, {"X": (channels, 5, 5)}, "out", weights))
    assert found.working_bytes == expected
    tensors = found.work.weight_bytes + found.block_bytes + expected
    assert (found.tensor_bytes, found.peak_bytes) == (tensors, tensors + INTEGER_OPERATOR_BYTES)
    floats = [nodes[2], ("Conv", ["X", "a"], ["out"], attributes)]
    assert profile(graph(floats, {"X": (channels, 5, 5)}, "out", weights)).working_bytes == 0


def test_a_shape_that_nobody_knows_is_named():
    nodes = [("NonZero", ["X"], ["i"], {}), ("Cast", ["i"], ["out"], {"to": TensorProto.FLOAT})]
    found = profile(graph(nodes, {"X": (4,)}, "out", {}))
    assert set(found.unsized) == {"i", "out"}
    assert found.tensor_bytes == FLOAT * 4


def test_trees_are_counted_by_their_arrays():
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["X"],
        ["out"],
        domain="ai.onnx.ml",
        nodes_values=[0.5] * 1000,
        n_targets=1,
    )
    model = graph([], {"X": (4,)}, "out", {})
    model.graph.node.append(node)
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    found = profile(model)
    assert found.trees
    assert found.work.total_macs == 0
    assert found.work.weight_bytes >= FLOAT * 1000


def test_buffers_live_from_writer_to_last_reader():
    buffers = Buffers()
    buffers.write("x", 1, GIVEN)
    for step, (name, size) in enumerate({"a": 10, "b": 20, "c": 5}.items()):
        buffers.write(name, size, step)
    buffers.read("a", 2)
    assert buffers.live() == 10 + 20  # x is read by nobody; c comes when b is gone
    buffers.read("b", 2)
    buffers.read("x", 2)
    assert buffers.live() == 36


def test_a_gap_too_small_makes_the_block_larger_than_what_lives():
    buffers = Buffers()
    buffers.write("a", 10, 0)
    buffers.write("b", 40, 1)
    buffers.read("a", 1)
    buffers.write("c", 15, 2)
    buffers.read("b", 2)
    buffers.write("d", 10, 3)
    buffers.read("c", 3)
    assert buffers.live() == 55
    assert buffers.block() == 65  # c does not fit where a was; d does


def test_an_empty_graph_takes_nothing():
    assert Buffers().live() == Buffers().block() == 0


def test_profiling_changes_nothing():
    model = graph([("Relu", ["X"], ["out"], {})], {"X": (4,)}, "out", {})
    before = model.SerializeToString()
    profile(model)
    assert model.SerializeToString() == before


def test_multiply_adds_count_whatever_operator_makes_them():
    integers = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "w"], ["y"])],
        "integers",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["n", 6])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, ["n", 4])],
        [numpy_helper.from_array(np.ones((6, 4), np.int8), "w")],
    )
    packed = helper.make_node(
        "MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", K=6, N=4, bits=4
    )
    few_bits = helper.make_graph(
        [packed],
        "few_bits",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        [
            numpy_helper.from_array(np.ones((4, 1, 8), np.uint8), "w"),
            numpy_helper.from_array(np.ones(4, np.float32), "s"),
        ],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    for graph in (integers, few_bits):
        work = profile(helper.make_model(graph, opset_imports=opsets)).work
        assert work.macs["fully_connected"] == 24
