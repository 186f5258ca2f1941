"""Bootstrap intervals: coverage, agreement with scipy, and the cases at the edge."""

import types

import numpy as np
import pytest

from tasks.compare.bootstrap import intervals
from tasks.core import draws, scoring

REGRESSION = scoring.metrics("regression")
CLASSES = scoring.metrics("classification")


def probabilities(y: np.ndarray, k: int, random: np.random.Generator) -> np.ndarray:
    raw = random.dirichlet(np.ones(k), len(y)) + 0.5 * np.eye(k)[y]
    return raw / raw.sum(1, keepdims=True)


def test_it_agrees_with_scipy():
    import scipy.stats

    random = np.random.default_rng(1)
    y = random.normal(0, 1, 80)
    prediction = y + random.standard_t(5, 80)
    found, counts = intervals(REGRESSION, y, {"m": prediction}, 4000, 0.95, 0)
    expected = scipy.stats.bootstrap(
        (y, prediction),
        lambda a, b: np.sqrt(((a - b) ** 2).mean()),
        paired=True,
        vectorized=False,
        n_resamples=4000,
        method="BCa",
        random_state=np.random.default_rng(2),
    ).confidence_interval
    rmse = found["m"]["rmse"]
    width = expected.high - expected.low
    assert rmse["low"] == pytest.approx(expected.low, abs=0.06 * width)
    assert rmse["high"] == pytest.approx(expected.high, abs=0.06 * width)
    assert counts == {"mae": 4000, "r2": 4000, "rmse": 4000}


def test_intervals_cover_the_truth():
    """True RMSE 1, true MAE sqrt(2 / pi), true accuracy .7, over 200 samples of 150 rows."""
    random = np.random.default_rng(4)
    metrics = {"rmse": REGRESSION["rmse"], "mae": REGRESSION["mae"]}
    hits = dict.fromkeys(("rmse", "mae", "accuracy"), 0)
    for trial in range(200):
        y = random.normal(0, 3, 150)
        found, _ = intervals(metrics, y, {"m": y + random.normal(0, 1, 150)}, 400, 0.9, trial)
        for name, truth in (("rmse", 1.0), ("mae", np.sqrt(2 / np.pi))):
            hits[name] += found["m"][name]["low"] <= truth <= found["m"][name]["high"]
        classes = np.zeros(150, int)
        right = np.eye(2)[(random.random(150) > 0.7).astype(int)]
        accuracy = {"accuracy": CLASSES["accuracy"]}
        found, _ = intervals(accuracy, classes, {"m": right}, 400, 0.9, trial)
        hits["accuracy"] += found["m"]["accuracy"]["low"] <= 0.7 <= found["m"]["accuracy"]["high"]
    assert all(0.84 <= count / 200 <= 0.95 for count in hits.values()), hits


def test_roc_auc_to_first_order_is_that_of_redrawn_rows():
    random = np.random.default_rng(6)
    y = random.integers(0, 3, 150)
    p = probabilities(y, 3, random)
    exact = types.SimpleNamespace(score=CLASSES["roc_auc"].score)  # no rows: computed anew
    metrics = {"fast": CLASSES["roc_auc"], "slow": exact}
    found, counts = intervals(metrics, y, {"m": p}, 2000, 0.95, 0)  # type: ignore[arg-type]
    fast, slow = found["m"]["fast"], found["m"]["slow"]
    assert counts == {"fast": 2000, "slow": 200}
    assert fast["value"] == slow["value"]
    width = slow["high"] - slow["low"]
    assert fast["low"] == pytest.approx(slow["low"], abs=0.25 * width)
    assert fast["high"] == pytest.approx(slow["high"], abs=0.25 * width)


def test_every_interval_holds_its_value_and_seeds_decide():
    random = np.random.default_rng(7)
    y = random.integers(0, 4, 90)
    models = {"a": probabilities(y, 4, random), "b": np.full((90, 4), 0.25)}
    first, second = (intervals(CLASSES, y, models, 300, 0.95, 1)[0] for _ in range(2))
    assert first == second
    for values in first.values():
        assert set(values) == set(CLASSES)
        for value in values.values():
            assert value["low"] <= value["value"] <= value["high"]


def test_no_error_among_the_rows_does_not_mean_none():
    y = np.zeros(100, int)
    found, _ = intervals({"a": CLASSES["accuracy"]}, y, {"m": np.eye(2)[y]}, 300, 0.95, 0)
    value = found["m"]["a"]
    assert (value["value"], value["high"]) == (1, 1)
    assert value["low"] == pytest.approx(0.025 ** (1 / 100))  # exact binomial


def test_undefined_is_none():
    y = np.zeros(30, int)
    found, _ = intervals({"auc": CLASSES["roc_auc"]}, y, {"m": np.full((30, 2), 0.5)}, 200, 0.9, 0)
    assert found["m"]["auc"] == {"value": None, "low": None, "high": None}


def test_many_rows_take_fewer_draws(monkeypatch):
    monkeypatch.setattr(draws, "WORK", 90_000)
    y = np.zeros(150)
    _, counts = intervals({"mae": REGRESSION["mae"]}, y, {"m": y + 1}, 2000, 0.95, 0)
    assert counts == {"mae": 600}
