"""Keras models fitted elsewhere: what their files become, and which files are refused unread."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.core.errors import ParamsError
from tasks.core.fitting import FitContext, FitData
from tasks.core.plugins import plugin
from tasks.train import keras_file
from tasks.train.foreign.checking import outputs
from tests.keras_models import QUIET, convolutional, given, needs_keras, perceptron, recurrent, same

GIVEN = plugin("model", "given_keras")
pytestmark = pytest.mark.filterwarnings(QUIET)


def rows(task: str = "classification", classes: int = 3, features: int = 6) -> FitData:
    random = np.random.default_rng(0)
    X = random.normal(size=(400, features)).astype(np.float32)
    signal = X[:, 0] - X[:, 1] * X[:, 2]
    y = 50 + 20 * signal.astype(float)
    if task == "classification":
        y = np.searchsorted(np.quantile(signal, np.linspace(0, 1, classes + 1)[1:-1]), signal)
    count = classes if task == "classification" else 0
    names = [f"f{i}" for i in range(features)]
    return FitData(X[:300], y[:300], X[300:], y[300:], task, count, None, names)  # type: ignore[arg-type]


def fitted(path: Path, data: FitData, **params: Any) -> Any:
    return GIVEN.fit(data, given(path, **params).typed, FitContext())


@needs_keras
@pytest.mark.parametrize(
    ("units", "last", "classes"),
    [(3, "softmax", 3), (3, None, 3), (1, "sigmoid", 2), (1, None, 2)],
)
def test_its_graph_gives_what_keras_gives_for_any_number_of_rows(tmp_path, units, last, classes):
    path = perceptron(tmp_path / "m.keras", 6, units, last)
    data = rows(classes=classes)
    model = fitted(path, data)
    own = keras_file.load(path.read_bytes(), "").predict(data.X_stop, verbose=0).astype(float)
    if last is None:
        own = (
            np.exp(own) / np.exp(own).sum(1, keepdims=True) if units > 1 else 1 / (1 + np.exp(-own))
        )
    expected = own if units > 1 else np.concatenate([1 - own, own], 1)
    assert same(GIVEN.predict(model, data.X_stop), expected)
    content = GIVEN.to_onnx(model).SerializeToString()
    for take in (slice(0, 1), slice(0, 37)):
        assert same(outputs(content, data.X_stop[take]), expected[take])
    GIVEN.save(model, tmp_path)
    assert (tmp_path / "model.keras").read_bytes() == path.read_bytes()
    again = GIVEN.load(tmp_path)
    np.testing.assert_array_equal(GIVEN.predict(again, data.X), GIVEN.predict(model, data.X))


@needs_keras
def test_layers_of_other_kinds(tmp_path):
    data = rows(classes=10, features=64)
    model = fitted(convolutional(tmp_path / "c.keras"), data)
    graph = GIVEN.to_onnx(model).SerializeToString()
    assert same(outputs(graph, data.X_stop), GIVEN.predict(model, data.X_stop))
    numbers = rows("regression", features=9)
    model = fitted(recurrent(tmp_path / "r.keras", 9), numbers)
    graph = GIVEN.to_onnx(model).SerializeToString()
    found = outputs(graph, numbers.X_stop)[:, 0]
    assert same(found, GIVEN.predict(model, numbers.X_stop))


@needs_keras
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_a_narrower_one_learns_from_the_data(tmp_path, task):
    data = rows(task)
    outputs, last = (1, None) if task == "regression" else (3, "softmax")
    path = perceptron(tmp_path / "m.keras", 6, outputs, last)
    whole = fitted(path, data)
    small = fitted(path, data, share=0.5, epochs=25, learning_rate=0.01)
    assert small.facts["weights"] < 0.5 * whole.facts["weights"]
    found = GIVEN.predict(small, data.X_stop)
    if task == "regression":
        assert np.mean((found - data.y_stop) ** 2) < 0.5 * data.y_stop.var()
    else:
        assert (found.argmax(1) == data.y_stop).mean() > 0.6
    again = fitted(path, data, share=0.5, epochs=25, learning_rate=0.01)
    np.testing.assert_array_equal(found, GIVEN.predict(again, data.X_stop))


@needs_keras
def test_what_does_not_suit_the_table_says_why(tmp_path):
    data = rows()
    path = perceptron(tmp_path / "m.keras", 5, 3)
    with pytest.raises(
        ParamsError, match=r"expected one input of float32 \[None, 6\].*\[None, 5\]"
    ):
        fitted(path, data)
    path = perceptron(tmp_path / "n.keras", 6, 4)
    with pytest.raises(ParamsError, match="it gives 4 numbers a row; the table's target has 3"):
        fitted(path, data)
    broken = archive(tmp_path / "o.keras", {"module": "keras", "class_name": "No", "config": {}})
    with pytest.raises(ParamsError, match="Keras cannot read it"):
        fitted(broken, data)


@needs_keras
def test_a_lambda_that_keras_saved_is_refused(tmp_path):
    keras = keras_file.library()
    model = keras.Sequential([keras.Input((6,)), keras.layers.Lambda(lambda x: x * 2)])
    model.save(tmp_path / "m.keras")
    with pytest.raises(ParamsError, match="a layer Lambda"):
        fitted(tmp_path / "m.keras", rows())


def archive(path: Path, config: Any, *others: str) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("config.json", json.dumps(config))
        for name in ("metadata.json", "model.weights.h5", *others):
            made.writestr(name, b"{}")
    return path


def test_what_could_run_code_is_refused_before_keras_sees_it(tmp_path, monkeypatch):
    monkeypatch.setattr(keras_file, "library", lambda: pytest.fail("it got as far as Keras"))

    def layer(kind: str, module: Any = "keras.layers") -> dict[str, Any]:
        inner = {"module": module, "class_name": kind, "config": {"name": "own"}}
        return {"module": "keras", "class_name": "Sequential", "config": {"layers": [inner]}}

    plain = layer("Dense")
    cases = {
        "a layer Lambda \\(own\\)": archive(tmp_path / "a", layer("Lambda")),
        "a layer TorchModuleWrapper": archive(tmp_path / "b", layer("TorchModuleWrapper")),
        "Popen of subprocess": archive(tmp_path / "c", layer("Popen", "subprocess")),
        "Mine of a module of your own": archive(tmp_path / "d", layer("Mine", None)),
        "kerasx of kerasx.layers": archive(tmp_path / "e", layer("kerasx", "kerasx.layers")),
        "it holds the file model.weights.npz": archive(tmp_path / "f", plain, "model.weights.npz"),
    }
    for words, path in cases.items():
        with pytest.raises(ParamsError, match=words):
            keras_file.load(path.read_bytes(), "m")
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    for content in (b"\x89HDF\r\n", b"\x80\x04 a pickle", empty.getvalue()):
        with pytest.raises(ParamsError, match="not a file that Keras 3 saved"):
            keras_file.load(content, "m")


def test_without_the_extra_it_says_how_to_install_it(monkeypatch):
    from tasks.core import litert

    monkeypatch.setattr(litert, "find_spec", lambda name: None)
    assert "pip install" in str(GIVEN.available())
    assert 'pip install -c constraints.txt -e ".[' in str(GIVEN.available())
    assert 'keras]"' in str(GIVEN.available())
