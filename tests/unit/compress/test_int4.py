"""4-bit weights: the scales, the packing, and both forms of the graph."""

import numpy as np
import onnx
import onnxruntime
import pytest

from tasks.compress import graphs
from tasks.compress.protocol import Parent
from tasks.compress.techniques.ptq_int4 import Params, _nibbles, apply, quantised
from tasks.core import sizes
from tests.compressed import certificate, technique


@pytest.mark.parametrize(("width", "block"), [(64, 16), (70, 32), (5, 16)])
def test_each_block_has_a_scale_and_its_own_range(width, block):
    matrix = np.random.default_rng(0).normal(size=(3, width)).astype(np.float32)
    matrix[1, :block] = 0
    integers, scales = quantised(matrix, block)
    assert integers.shape == matrix.shape
    assert scales.shape == (3, -(-width // block))
    assert np.abs(integers).max() <= 7
    back = integers * np.repeat(scales, block, axis=1)[:, :width]
    starts = range(0, width, block)
    largest = [[np.abs(row[at : at + block]).max() for at in starts] for row in matrix]
    plain = np.repeat(np.array(largest) / 7, block, axis=1)[:, :width]
    with np.errstate(invalid="ignore"):
        usual = np.nan_to_num(np.rint(matrix / plain)) * plain
    assert ((back - matrix) ** 2).sum() <= ((usual - matrix) ** 2).sum()


def test_nibbles_are_packed_two_a_byte():
    integers = np.array([[-7, 0, 7, 1, 2]], np.int8)
    packed = _nibbles(integers, 4)
    assert packed.shape == (1, 2, 2)
    assert packed.tolist() == [[[1 | 8 << 4, 15 | 9 << 4], [10 | 8 << 4, 8 | 8 << 4]]]


@pytest.mark.parametrize("form", ["qdq", "matmul_nbits"])
@pytest.mark.parametrize(("name", "study"), [("mlp", "numbers"), ("linear", "digits")])
def test_a_graph_of_4_bit_weights_predicts_alike(name, study, form, request):
    study = request.getfixturevalue(study)
    before = certificate(study.fp32(name))
    plugin = technique("ptq_int4", form=form, block=32, least=256)
    folder = study.compressed(name, form, plugin)
    stated = certificate(folder)
    assert stated["status"] == "ok", stated["reason"]
    assert stated["precision"] == "int4"
    assert stated["agreement"] > 0.9
    assert stated["weight_bytes"] < 0.35 * before["weight_bytes"]
    model = onnx.load(folder / "model.onnx")
    operators = {n.op_type for n in model.graph.node}
    assert ("MatMulNBits" in operators) == (form == "matmul_nbits")


def test_a_convolution_is_packed_as_well(digits):
    folder = digits.compressed("convnet", "int4", technique("ptq_int4"))
    stated = certificate(folder)
    assert stated["status"] == "ok", stated["reason"]
    assert certificate(digits.fp32("convnet"))["weight_bytes"] / stated["weight_bytes"] > 5
    model = onnx.load(folder / "model.onnx")
    types = {i.data_type for i in model.graph.initializer}
    assert onnx.TensorProto.INT4 in types
    stored_bytes = {i.name: sizes.stored_bytes(i) for i in model.graph.initializer}
    assert sum(stored_bytes.values()) == pytest.approx(stated["bytes"], rel=0.5)


def test_what_no_layer_is_large_enough_for_says_so(digits):
    plugin = technique("ptq_int4", least=10**6)
    stated = certificate(digits.compressed("convnet", "none", plugin))
    assert stated["status"] == "not_applicable"
    assert "1000000 weights" in stated["reason"]


def test_ranges_found_in_each_call_are_for_matrix_products(numbers, digits):
    plugin = technique("ptq_int8", mode="dynamic")
    stated = certificate(numbers.compressed("mlp", "dynamic", plugin))
    assert stated["status"] == "ok", stated["reason"]
    assert stated["quantised_share"] == 1.0
    assert "in each call" in stated["engines_note"]
    convnet = certificate(digits.compressed("convnet", "dynamic", plugin))
    assert 0 < convnet["quantised_share"] < 0.5  # the last layer alone


@pytest.mark.parametrize(("form", "smaller"), [("qdq", 7.4), ("matmul_nbits", 6.85)])
def test_large_layers_are_seven_times_smaller(form, smaller):
    """784 is 7 x 112; MatMulNBits takes blocks of a power of two, and 13 x 64 is 48 too many."""
    random = np.random.default_rng(0)
    weights = [random.normal(size=shape).astype(np.float32) for shape in ((784, 256), (256, 256))]
    nodes = [
        onnx.helper.make_node("MatMul", [start, name], [end], f"model/{name}")
        for start, name, end in (("x", "w0", "h"), ("h", "w1", "y"))
    ]
    ends = [
        onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, ["N", k])
        for n, k in (("x", 784), ("y", 256))
    ]
    constants = [onnx.numpy_helper.from_array(w, f"w{i}") for i, w in enumerate(weights)]
    graph = onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    opsets = [onnx.helper.make_opsetid("", 20)]
    whole = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
    made = apply(Parent(whole, None, None), Params(form=form), None)  # type: ignore[arg-type]
    assert graphs.weight_bytes(whole.graph) / graphs.weight_bytes(made.graph) > smaller
    X = random.normal(size=(8, 784)).astype(np.float32)
    before, after = (graphs.run(graphs.session(m), {"x": X}) for m in (whole, made))
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.98


def test_onnx_runtime_unpacks_at_load_where_a_dialect_asks_for_it(digits):
    folder = digits.compressed("convnet", "int4", technique("ptq_int4"))
    assert certificate(folder)["dialect"] == "int4_qdq"
    options = onnxruntime.SessionOptions()
    ran = {}
    for dialect in (None, "int4_qdq"):
        path = folder.parent / f"{dialect}.onnx"
        options.optimized_model_filepath = str(path)
        graphs.session((folder / "model.onnx").read_bytes(), options, dialect)
        ran[dialect] = {node.op_type for node in onnx.load(path).graph.node}
    assert "DequantizeLinear" in ran[None]
    assert "DequantizeLinear" not in ran["int4_qdq"]


@pytest.mark.parametrize("form", ["qdq", "matmul_nbits"])
def test_a_certificate_counts_the_packed_weights(form, numbers):
    """Zeros stay zeros in 4 bits, and every layer counts, those that are left in float too."""
    zeros = technique("prune_unstructured", share=0.7, steps=1, epochs=0)
    plugin = technique("ptq_int4", form=form, block=32, least=64)
    stated = certificate(numbers.compressed("mlp", f"zeros_{form}", zeros, plugin))
    assert stated["status"] == "ok", stated["reason"]
    assert 0.1 < stated["nonzero_share"] <= 0.3 + 1e-3  # small ones become zeros too
    assert stated["quantised_share"] == 0.0, "ONNX Runtime multiplies floats"
