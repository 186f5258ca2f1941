"""Trees as arrays: thresholds, traversal and the graph against the libraries that grew them."""

import numpy as np
import pytest

from tasks.core import tree_graph
from tasks.core import trees as forest
from tasks.core.fitting import FitContext, FitData
from tasks.core.plugins import plugin


def outputs(model, X: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"X": X})[0]


def test_thresholds_are_rounded_down_and_never_up():
    values = np.array([0.1, 0.5, -0.1, 1 / 3, 1e-40, -1e30, 16777217.0])
    down = forest.rounded_down(values)
    assert down.dtype == np.float32
    assert (down.astype(np.float64) <= values).all()
    assert (np.nextafter(down, np.float32(np.inf)).astype(np.float64) > values).all()


@pytest.mark.parametrize("strict", [False, True])
def test_a_row_on_a_threshold_keeps_its_side(strict):
    single = {
        "feature": np.array([0, -1, -1]),
        "threshold": np.array([0.1]).repeat(3),  # float32(0.1) lies above 0.1
        "left": np.array([1, 0, 0]),
        "right": np.array([2, 0, 0]),
        "values": np.array([[0.0], [-5.0], [7.0]]),
    }
    trees = forest.join([single, single], [0, 1], strict)
    edge = forest.rounded_down(np.array([0.1]))[0]
    X = np.array([[edge], [np.nextafter(edge, np.float32(1))]], np.float32)
    on = 7.0 if strict else -5.0
    expected = np.array([[on, on], [7.0, 7.0]])
    np.testing.assert_array_equal(forest.total(trees, X, 2), expected)
    model = tree_graph.to_onnx(trees, 1, 2, np.zeros(2), "probabilities", "identity")
    np.testing.assert_array_equal(outputs(model, X), expected)


def grid(task: str, features: int = 4, rows: int = 500) -> FitData:
    """Return rows of few distinct decimals: every threshold lies between close neighbours."""
    rng = np.random.default_rng(2)
    X = (rng.integers(0, 30, (rows, features)) / 10).astype(np.float32)
    signal = X[:, 0] * X[:, 1] - X[:, 2]
    y = signal if task == "regression" else np.digitize(signal, [0.0, 2.0]).astype(np.int64)
    classes = 3
    return FitData(X[:400], y[:400], X[400:], y[400:], task, classes, None, list("abcd"))  # type: ignore[arg-type]


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("name", ["light_gbm", "xg_boost", "random_forest"])
def test_graphs_equal_the_library_on_and_beside_every_threshold(name, task):
    module = plugin("model", name)
    data = grid(task)
    model = module.fit(data, module.Params(), FitContext())
    X = data.X
    beside = [np.nextafter(X, np.float32(s * np.inf)) for s in (1, -1)]
    everywhere = np.concatenate([X, *beside, (X + 0.05).astype(np.float32)])
    expected = module.predict(model, everywhere)
    found = outputs(module.to_onnx(model), everywhere).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=5e-6)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_the_forest_predicts_as_scikit_learn_does(task):
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    from tasks.train.models import random_forest

    data = grid(task)
    params = random_forest.Params(trees=10, max_leaves=30, feature_share=0.5)
    model = random_forest.fit(data, params, FitContext(seed=3))
    kind = RandomForestRegressor if task == "regression" else RandomForestClassifier
    theirs = kind(
        n_estimators=1, max_leaf_nodes=30, min_samples_leaf=2, max_features=0.5,
        random_state=3, warm_start=True,
    )  # fmt: skip
    for count in range(1, 11):
        theirs.n_estimators = count
        theirs.fit(data.X, data.y)
    X = data.X_stop
    expected = theirs.predict(X) if task == "regression" else theirs.predict_proba(X)
    np.testing.assert_allclose(random_forest.predict(model, X), expected, rtol=1e-5, atol=1e-6)
    assert random_forest.facts(model)["leaves"] <= 300


@pytest.mark.parametrize("name", ["light_gbm", "xg_boost", "random_forest"])
@pytest.mark.parametrize("task", ["regression", "classification"])
def test_six_rows_are_enough_not_to_fail(name, task):
    module = plugin("model", name)
    data = grid(task)
    few = FitData(data.X[:6], data.y[:6], data.X[6:7], data.y[6:7], data.task, 3)
    model = module.fit(few, module.Params(), FitContext())
    expected = module.predict(model, data.X)
    assert np.isfinite(expected).all()
    found = outputs(module.to_onnx(model), data.X).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=5e-6)
    shares = module.importances(model)
    assert shares.sum() == pytest.approx(1)


@pytest.mark.parametrize("name", ["light_gbm", "xg_boost"])
def test_early_stopping_keeps_the_best_round_of_the_rows_for_it(name):
    module = plugin("model", name)
    data = grid("regression")
    noisy = data.y + np.random.default_rng(0).normal(0, 2, len(data.y))
    model = module.fit(
        FitData(data.X, noisy, data.X_stop, data.y_stop, "regression"),
        module.Params(learning_rate=0.3, patience=5, rounds=400),
        FitContext(),
    )
    [losses] = [v for k, v in module.curves(model).items() if k.startswith("stop")]
    best = int(np.argmin(losses)) + 1
    facts = module.facts(model)
    assert facts["best_round"] == best
    assert facts["rounds_run"] == len(losses) == best + 5 < 400
    found = np.sqrt(np.mean((module.predict(model, data.X_stop) - data.y_stop) ** 2))
    assert found == pytest.approx(min(losses), rel=1e-5)


@pytest.mark.parametrize("name", ["light_gbm", "xg_boost"])
def test_a_refit_takes_all_rows_for_the_best_number_of_rounds(name):
    module = plugin("model", name)
    data = grid("regression")
    params = module.Params(rounds=60, learning_rate=0.1, patience=10)
    once = module.facts(module.fit(data, params, FitContext()))
    model = module.fit(data, params.model_copy(update={"refit": True}), FitContext())
    facts = module.facts(model)
    assert facts["best_round"] == once["best_round"] == once["rounds"]
    assert facts["rounds"] == round(once["best_round"] * 500 / 400)
    everything = FitData(
        np.concatenate([data.X, data.X_stop]), np.concatenate([data.y, data.y_stop]),
        data.X[:0], data.y[:0], "regression",
    )  # fmt: skip
    direct = params.model_copy(update={"rounds": facts["rounds"]})
    expected = module.predict(module.fit(everything, direct, FitContext()), data.X)
    np.testing.assert_array_equal(module.predict(model, data.X), expected)
