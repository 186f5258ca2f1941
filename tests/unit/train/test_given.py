"""Models fitted elsewhere: what their files become, and what is said of those that do not suit."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tasks.core.errors import ParamsError
from tasks.core.fitting import FitContext, FitData
from tasks.core.plugins import plugin

GIVEN = plugin("model", "given")


def rows(task: str = "classification", classes: int = 3) -> FitData:
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 4)).astype(np.float32)
    signal = X[:, 0] - X[:, 1] * X[:, 2]
    y = signal.astype(float)
    if task == "classification":
        y = np.searchsorted(np.quantile(signal, np.linspace(0, 1, classes + 1)[1:-1]), signal)
    count = classes if task == "classification" else 0
    return FitData(X[:150], y[:150], X[150:], y[150:], task, count, None, list("abcd"))  # type: ignore[arg-type]


def fitted(path: Path, data: FitData):
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return GIVEN.fit(data, GIVEN.Params(path=str(path), sha256=sha256), FitContext())


def write(path: Path, nodes, outputs, inputs=None, constants=None) -> Path:
    def value(name, kind, shape):
        return helper.make_tensor_value_info(name, kind, shape)

    inputs = inputs or [value("input", TensorProto.FLOAT, [None, 4])]
    graph = helper.make_graph(
        nodes, "g", inputs, outputs,
        [numpy_helper.from_array(np.float32(v), n) for n, v in (constants or {}).items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def linear(path: Path, width: int, last: str | None = None, output: str = "out") -> tuple:
    weights = np.random.default_rng(1).normal(size=(4, width))
    nodes = [helper.make_node("MatMul", ["input", "w"], ["scores" if last else output])]
    if last:
        nodes.append(helper.make_node(last, ["scores"], [output]))
    ends = [helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, width])]
    return write(path, nodes, ends, constants={"w": weights}), weights


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("last", [None, "Softmax"])
def test_scores_and_probabilities_of_classes(tmp_path, last):
    path, weights = linear(tmp_path / "m.onnx", 3, last)
    data = rows()
    model = fitted(path, data)
    expected = softmax(data.X_stop.astype(float) @ weights)
    np.testing.assert_allclose(GIVEN.predict(model, data.X_stop), expected, atol=1e-5)
    GIVEN.save(model, tmp_path)
    again = GIVEN.load(tmp_path)
    np.testing.assert_array_equal(GIVEN.predict(again, data.X), GIVEN.predict(model, data.X))
    graph = GIVEN.to_onnx(again).graph
    assert [i.name for i in graph.input] == ["X"]
    assert [o.name for o in graph.output] == ["probabilities"]
    assert GIVEN.facts(again) == {"estimator": "given: m.onnx"}


@pytest.mark.parametrize("last", [None, "Sigmoid"])
def test_one_score_of_two_classes(tmp_path, last):
    path, weights = linear(tmp_path / "m.onnx", 1, last)
    data = rows(classes=2)
    found = GIVEN.predict(fitted(path, data), data.X_stop)
    positive = 1 / (1 + np.exp(-(data.X_stop.astype(float) @ weights)))
    np.testing.assert_allclose(found, np.concatenate([1 - positive, positive], 1), atol=1e-5)


@pytest.mark.parametrize("output", ["out", "prediction"])
def test_a_value(tmp_path, output):
    path, weights = linear(tmp_path / "m.onnx", 1, output=output)
    data = rows("regression")
    found = GIVEN.predict(fitted(path, data), data.X_stop)
    np.testing.assert_allclose(found, (data.X_stop @ weights)[:, 0], rtol=1e-4, atol=1e-5)


def test_a_classifier_as_scikit_learns_converters_write_it(tmp_path):
    """Labels, and probabilities in a ZipMap."""
    weights = np.random.default_rng(1).normal(size=(4, 3))
    nodes = [
        helper.make_node("MatMul", ["input", "w"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"]),
        helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
        helper.make_node(
            "ZipMap", ["probabilities"], ["output_probability"], domain="ai.onnx.ml",
            classlabels_int64s=[0, 1, 2],
        ),
    ]  # fmt: skip
    kind = helper.make_map_type_proto(
        TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    )
    ends = [
        helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        helper.make_value_info("output_probability", helper.make_sequence_type_proto(kind)),
    ]
    data = rows()
    model = fitted(write(tmp_path / "m.onnx", nodes, ends, constants={"w": weights}), data)
    expected = softmax(data.X_stop.astype(float) @ weights)
    np.testing.assert_allclose(GIVEN.predict(model, data.X_stop), expected, atol=1e-5)


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize(("name", "file"), [("xg_boost", "m.ubj"), ("light_gbm", "m.txt")])
def test_files_of_boosters(tmp_path, name, file, task):
    module, data = plugin("model", name), rows(task)
    own = module.fit(data, module.Params(rounds=15), FitContext())
    module.save(own, tmp_path)
    path = (tmp_path / ("model.ubj" if name == "xg_boost" else "model.txt")).rename(tmp_path / file)
    expected = module.predict(own, data.X_stop)
    np.testing.assert_allclose(GIVEN.predict(fitted(path, data), data.X_stop), expected, atol=1e-5)


def test_what_does_not_suit_the_table_says_why(tmp_path):
    data = rows()
    wide = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, 7])]
    ends = [helper.make_tensor_value_info("out", TensorProto.FLOAT, [None, 7])]
    copy = [helper.make_node("Identity", ["input"], ["out"])]
    cases = {
        "expected one input of float32 \\[rows, 4\\]": write(tmp_path / "a.onnx", copy, ends, wide),
        "it gives 4 numbers a row; the table's target has 3 classes": write(
            tmp_path / "b.onnx", copy, ends
        ),
        "not an ONNX file": tmp_path / "c.onnx",
        "not a model of LightGBM": tmp_path / "d.txt",
        "not a model of XGBoost": tmp_path / "e.ubj",
        "expected .onnx .ONNX., .ubj": tmp_path / "f.pkl",
    }
    for path in cases.values():
        if not path.exists():
            path.write_bytes(b"\xff nothing of the kind")
    for words, path in cases.items():
        with pytest.raises(ParamsError, match=words):
            fitted(path, data)
    free = helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, "n"])
    with pytest.raises(ParamsError, match=r"found x of float64 \[rows, n\]"):
        fitted(write(tmp_path / "h.onnx", copy, ends, [free]), data)
    wide = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 30])
    with pytest.raises(ParamsError, match=r"found x of float32 \[rows, 30\]"):
        fitted(write(tmp_path / "i.onnx", copy, ends, [wide]), data)
    fixed = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [8, 4])]
    with pytest.raises(ParamsError, match="its batch is fixed to 8"):
        fitted(write(tmp_path / "g.onnx", copy, ends, fixed), data)


def test_another_file_than_meant_is_refused(tmp_path):
    path, _ = linear(tmp_path / "m.onnx", 3)
    with pytest.raises(ParamsError, match=r"has sha256 .* set sha256 to it"):
        GIVEN.fit(rows(), GIVEN.Params(path=str(path), sha256="0"), FitContext())
    with pytest.raises(ParamsError, match="cannot be read"):
        GIVEN.fit(rows(), GIVEN.Params(path=str(tmp_path / "nothing.onnx")), FitContext())
