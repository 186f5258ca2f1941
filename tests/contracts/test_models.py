"""Every model plugin against the promises of its kind."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.core import plugins, progress
from tasks.core.fitting import FitContext, FitData
from tasks.core.sequence import Sequence

pytestmark = pytest.mark.contracts
ALL = plugins.names("model")
NAMES = [n for n in ALL if getattr(plugins.plugin("model", n), "LEARNS", True)]  # here
# Small settings, so that the whole file takes seconds; a new plugin runs with its defaults.
QUICK: dict[str, dict[str, Any]] = {
    "random_forest": {"trees": 12, "max_leaves": 40},
    "xg_boost": {"rounds": 25, "max_depth": 3, "learning_rate": 0.3},
    "light_gbm": {"rounds": 25, "num_leaves": 8, "learning_rate": 0.3},
    "mlp": {"epochs": 25, "width": 32, "batch_size": 32, "learning_rate": 0.01},
    "convnet": {"epochs": 2, "width": 4, "batch_size": 16, "learning_rate": 0.02},
    "resnet18": {"epochs": 2, "width": 4, "batch_size": 16, "learning_rate": 0.01},
    "vgg16": {"epochs": 2, "width": 4, "batch_size": 16, "learning_rate": 0.01},
    "vgg19": {"epochs": 2, "width": 4, "batch_size": 16, "learning_rate": 0.01},
    "mobilenet_v2": {"epochs": 2, "width": 4, "batch_size": 16, "learning_rate": 0.01},
    "lstm": {"epochs": 15, "width": 16, "batch_size": 16, "learning_rate": 0.02},
    "tcn": {"epochs": 15, "width": 16, "batch_size": 16, "learning_rate": 0.02},
    "tft": {"epochs": 8, "width": 8, "batch_size": 16, "learning_rate": 0.02},
}
BRIEF = {"tcn": {**QUICK["tcn"], "epochs": 4}, "light_gbm": QUICK["light_gbm"], "climatology": {}}
QUICK["average"] = {"members": BRIEF}
CASES = [(name, task) for name in NAMES for task in plugins.plugin("model", name).TASKS]


SEQUENCE = Sequence(
    context=8, horizon=3, static=("home",),
    channels=("y", "z", "clock", "sine of day", "cosine of day"),
    known=("clock", "sine of day", "cosine of day"),
    quantiles=(0.1, 0.5, 0.9), season=4, step_s=6 * 3600, scale=10.0,
)  # fmt: skip


def windows(seed: int) -> FitData:
    """Return windows of a day of four steps, moved by a channel one step before; and clocks."""
    rng = np.random.default_rng(seed)
    clock = np.arange(280) % 4
    z = rng.integers(0, 9, 280)
    y = 300.0 + 20.0 * clock + 5.0 * np.concatenate([[0], z[:-1]]) + rng.integers(0, 3, 280)
    turn = np.pi / 2 * clock
    series = np.stack([y, z, clock, np.sin(turn), np.cos(turn)], axis=1).astype(np.float32)
    origins = np.arange(7, 276)
    past = series[origins[:, None] + np.arange(-7, 1)].reshape(len(origins), -1)
    ahead = origins[:, None] + np.arange(1, 4)
    home = np.ones((len(origins), 1), np.float32)
    future = series[ahead][:, :, 2:].reshape(len(origins), -1)
    X = np.concatenate([past, future, home], axis=1)
    return FitData(
        X=X[:206], y=y[ahead][:206], X_stop=X[209:], y_stop=y[ahead][209:], task="forecast",
        sequence=SEQUENCE, feature_names=SEQUENCE.feature_names,
    )  # fmt: skip


def make(task: str, image: bool, seed: int = 3) -> FitData:
    """Return learnable rows: integers (ties), one constant column, a class without rows."""
    if task == "forecast":
        return windows(seed)
    rng = np.random.default_rng(seed)
    n = 260
    d = 64 if image else 6
    X = rng.integers(0, 9, (n, d)).astype(np.float32)
    X[:, 1] = 4.0
    signal = X[:, 0] - 0.5 * X[:, 2] + 0.1 * X[:, 3] ** 2
    y: np.ndarray
    if task == "regression":
        y = signal * 20.0 + 300.0
    else:  # class 2 has no row
        y = np.digitize(signal, np.quantile(signal, [0.3, 0.7])).astype(np.int64)
        y[y == 2] = 3
    return FitData(
        X=X[:200],
        y=y[:200],
        X_stop=X[200:],
        y_stop=y[200:],
        task=task,  # type: ignore[arg-type]
        n_classes=0 if task == "regression" else 4,
        image_shape=(8, 8, 1) if image else None,
        feature_names=[f"f{i}" for i in range(d)],
    )


def saved(folder: Path) -> list[str]:
    """Return the files below a folder."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def fit(name: str, data: FitData, **settings: Any) -> Any:
    module = plugins.plugin("model", name)
    return module.fit(data, module.Params(**QUICK.get(name, {}) | settings), FitContext(seed=5))


class Fitted(dict[tuple[str, str], tuple[FitData, Any]]):
    """Every plugin, fitted once for each of its tasks, when it is first asked for."""

    def __init__(self) -> None:
        self.shares: dict[tuple[str, str], list[float]] = {}  # of the work, as each fit told them

    def __missing__(self, case: tuple[str, str]) -> tuple[FitData, Any]:
        data = make(case[1], plugins.plugin("model", case[0]).NEEDS_IMAGE)
        shares = self.shares[case] = []
        with progress.to(lambda share, text: shares.append(share)):
            self[case] = (data, fit(case[0], data))
        return self[case]


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return Fitted()


def test_there_are_models():
    assert len(NAMES) >= 2
    assert {"baseline", "linear"} <= set(NAMES)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_what_is_saved_can_hold_no_code(fitted, tmp_path, name, task):
    plugins.plugin("model", name).save(fitted[name, task][1], tmp_path)
    own = {"xg_boost": "model.ubj", "light_gbm": "model.txt", "average": "model.txt"}
    own = own.get(name, "model.safetensors")
    known = {"model.json", own} | ({"model.safetensors"} if task == "forecast" else set())
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in written} == known
    for path in written:
        first = path.read_bytes()[:9]
        begins = {"model.ubj": b"{", "model.txt": b"tree\n", "model.json": b"{"}
        expected = begins.get(path.name, first[:8] + b"{")
        assert first.startswith(expected)  # a pickle begins with 0x80, a zip of torch with PK


@pytest.mark.parametrize("name", ALL)
def test_the_module_has_what_a_model_needs(name):
    module = plugins.plugin("model", name)
    assert set(module.TASKS) <= {"regression", "classification", "forecast"}
    assert module.TASKS
    assert isinstance(module.NEEDS_IMAGE, bool)
    assert module.LIBRARIES
    assert issubclass(module.Params, plugins.PluginParams)
    for field, info in module.Params.model_fields.items():
        assert info.description, f"{name}.{field} has no description"
    for function in ("fit", "predict", "save", "load", "to_onnx", "importances", "curves"):
        assert callable(getattr(module, function)), function


@pytest.mark.parametrize(("name", "task"), CASES)
def test_predictions_have_the_shape_of_the_task(fitted, name, task):
    data, model = fitted[name, task]
    predicted = plugins.plugin("model", name).predict(model, data.X_stop)
    if task == "regression":
        assert predicted.shape == (60,)
        assert abs(predicted.mean() - data.y.mean()) < data.y.std()
    elif task == "forecast":
        assert predicted.shape == (60, 3, 3)
        assert (np.diff(predicted, axis=2) >= 0).all()
        inside = (data.y_stop >= predicted[:, :, 0]) & (data.y_stop <= predicted[:, :, 2])
        assert 0.7 < inside.mean() <= 1
    else:
        assert predicted.shape == (60, 4)
        assert predicted.min() >= 0
        np.testing.assert_allclose(predicted.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_it_beats_the_baseline_on_what_can_be_learnt(fitted, name, task):
    data, model = fitted[name, task]
    predicted = plugins.plugin("model", name).predict(model, data.X_stop)
    image = plugins.plugin("model", name).NEEDS_IMAGE
    if name == "baseline" or image:  # a convnet has nothing to gain from pixels without places
        assert np.isfinite(predicted).all()
    elif task == "forecast":
        naive = name in ("climatology", "persistence", "seasonal_naive")
        errors = np.abs(predicted[:, :, 1] - data.y_stop).mean()
        spread = np.abs(data.y_stop - np.median(data.y)).mean()
        assert errors < (2 if naive else 0.7) * spread
    elif task == "regression":
        assert np.mean((predicted - data.y_stop) ** 2) < 0.6 * data.y_stop.var()
    else:
        assert (predicted.argmax(1) == data.y_stop).mean() > 0.6


@pytest.mark.parametrize(("name", "task"), CASES)
def test_the_same_seed_gives_the_same_bytes(fitted, name, task, tmp_path):
    data, model = fitted[name, task]
    module = plugins.plugin("model", name)
    again = fit(name, data)
    for folder, one in (("a", model), ("b", again)):
        (tmp_path / folder).mkdir()
        module.save(one, tmp_path / folder)
    files = saved(tmp_path / "a")
    assert files
    assert files == saved(tmp_path / "b")
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
        assert not file.endswith((".pkl", ".pickle", ".pt", ".pth", ".joblib"))
    assert module.to_onnx(model).SerializeToString() == module.to_onnx(again).SerializeToString()


@pytest.mark.parametrize(("name", "task"), CASES)
def test_a_saved_model_predicts_the_same_and_saves_the_same(fitted, name, task, tmp_path):
    data, model = fitted[name, task]
    module = plugins.plugin("model", name)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    module.save(model, tmp_path / "a")
    loaded = module.load(tmp_path / "a")
    np.testing.assert_array_equal(
        module.predict(loaded, data.X_stop), module.predict(model, data.X_stop)
    )
    module.save(loaded, tmp_path / "b")
    for name in saved(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert module.to_onnx(loaded).SerializeToString() == module.to_onnx(model).SerializeToString()


@pytest.mark.parametrize(("name", "task"), CASES)
def test_the_graph_gives_the_same_on_every_row_and_for_any_number_of_rows(fitted, name, task):
    import onnxruntime

    data, model = fitted[name, task]
    module = plugins.plugin("model", name)
    session = onnxruntime.InferenceSession(
        module.to_onnx(model).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    [given], [out] = session.get_inputs(), session.get_outputs()
    width = {"regression": 1, "classification": 4, "forecast": 9}[task]
    assert (given.name, given.shape[1:]) == ("X", [data.X.shape[1]])
    assert isinstance(given.shape[0], str)
    assert (out.name, out.shape[1:]) == (
        {"regression": "prediction", "forecast": "quantiles"}.get(task, "probabilities"),
        [width],
    )
    X = np.concatenate([data.X, data.X_stop])
    expected = module.predict(model, X).reshape(len(X), width)
    [found] = session.run(None, {"X": X})
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
    [one] = session.run(None, {"X": X[:1]})
    assert one.shape == (1, width)
    np.testing.assert_allclose(one, expected[:1], rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_importances_are_shares_of_the_features(fitted, name, task):
    data, model = fitted[name, task]
    shares = plugins.plugin("model", name).importances(model)
    if shares is None:  # a kind of model may have none
        assert name not in QUICK
        return
    assert shares.shape == (data.X.shape[1],)
    assert (shares >= 0).all()
    assert abs(shares.sum() - 1) < 1e-6
    if not plugins.plugin("model", name).NEEDS_IMAGE and task != "forecast":
        assert shares.argmax() == 0
        assert shares[1] < 1e-6


@pytest.mark.parametrize(("name", "task"), CASES)
def test_curves_are_finite_numbers_of_one_length(fitted, name, task):
    _, model = fitted[name, task]
    module = plugins.plugin("model", name)
    curves = module.curves(model)
    if not curves:
        assert not hasattr(module, "CURVE_X")
        return
    assert module.CURVE_X in ("epoch", "round")
    assert len({len(values) for values in curves.values()}) == 1
    for values in curves.values():
        assert all(isinstance(value, float) and np.isfinite(value) for value in values)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_it_fits_without_rows_for_early_stopping(name, task):
    """Two epochs, where there are some: the first ends without those rows, and one follows it."""
    module = plugins.plugin("model", name)
    data = make(task, module.NEEDS_IMAGE)
    none = FitData(
        X=data.X, y=data.y, X_stop=data.X_stop[:0], y_stop=data.y_stop[:0], task=data.task,
        n_classes=data.n_classes, image_shape=data.image_shape, feature_names=data.feature_names,
        sequence=data.sequence,
    )  # fmt: skip
    model = fit(name, none, **({"epochs": 2} if "epochs" in QUICK.get(name, {}) else {}))
    assert np.isfinite(module.predict(model, data.X_stop)).all()


@pytest.mark.parametrize(("name", "task"), CASES)
def test_long_fits_report_their_progress(fitted, name, task):
    _, model = fitted[name, task]
    shares = fitted.shares[name, task]
    if plugins.plugin("model", name).curves(model):
        assert shares
        assert shares == sorted(shares)


@pytest.mark.parametrize(
    ("name", "task"), [c for c in CASES if hasattr(plugins.plugin("model", c[0]), "truncate")]
)
def test_truncated_trees_are_fewer_and_still_a_model(fitted, name, task):
    data, model = fitted[name, task]
    module = plugins.plugin("model", name)
    half = module.truncate(model, 0.5)
    assert len(module.to_onnx(half).SerializeToString()) < 0.8 * len(
        module.to_onnx(model).SerializeToString()
    )
    assert module.predict(half, data.X_stop).shape == module.predict(model, data.X_stop).shape
    np.testing.assert_array_equal(
        module.predict(module.truncate(model, 1.0), data.X_stop), module.predict(model, data.X_stop)
    )


@pytest.mark.parametrize(
    "name", [n for n in NAMES if "classification" in plugins.plugin("model", n).TASKS]
)
def test_one_class_in_the_training_rows_is_learnt(name):
    module = plugins.plugin("model", name)
    data = make("classification", module.NEEDS_IMAGE)
    one = FitData(
        X=data.X, y=np.ones_like(data.y), X_stop=data.X_stop, y_stop=np.ones_like(data.y_stop),
        task="classification", n_classes=2, image_shape=data.image_shape,
        feature_names=data.feature_names,
    )  # fmt: skip
    predicted = module.predict(fit(name, one), data.X_stop)
    assert predicted.shape == (60, 2)
    assert (predicted[:, 1] > 0.5).all()
