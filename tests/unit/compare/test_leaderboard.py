"""The leaderboard: order, ties, adjustment, and models that lack resamples."""

import json

import numpy as np
import pytest

from tasks.compare.leaderboard import leaderboard, table
from tasks.compare.params import Params
from tasks.core.errors import ParamsError
from tasks.core.prepared import Meta

META = Meta(
    task="regression",
    target="y",
    inputs=[],
    feature_names=[],
    parts={"train": 400, "val": 100},
    judged="val",
    split={"name": "given", "params": {}, "note": ""},
)
RANDOM = np.random.default_rng(0)
Y = RANDOM.normal(0, 1, 100)
NOISE = RANDOM.normal(0, 1, 100)
LUCK = RANDOM.normal(0, 0.02, 10)


def scores(mean: float, spread: float = 0.01, count: int = 10, seed: int = 1) -> dict:
    noise = np.random.default_rng(seed).normal(0, spread, count)
    values = mean + LUCK[:count] + noise - noise.mean()
    return {
        "scores": dict.fromkeys(("rmse", "mae", "r2"), values.tolist()),
        "resamples": list(range(count)),
        "n_train": 320.0,
        "n_test": 80.0,
        "repeats": count,
    }


def board(means: dict[str, dict | None], **params):
    predictions = dict.fromkeys(means, Y + 0.3 * NOISE)
    having = {name: s for name, s in means.items() if s is not None}
    return leaderboard(META, Y, predictions, having, Params(bootstrap=200, **params), 0)


def test_order_and_ties():
    found = board({"c": scores(0.9, seed=3), "a": scores(0.5, seed=1), "b": scores(0.501, seed=2)})
    assert [m["name"] for m in found["models"]] == ["a", "b", "c"]
    assert [m["rank"] for m in found["models"]] == [1, 2, 3]
    assert found["group"] == ["a", "b"]
    assert (found["primary"], found["greater_is_better"]) == ("rmse", False)
    assert (found["judged"], found["rows_judged"]) == ("val", 100)
    best, second, third = found["models"]
    assert best["p_adjusted_vs_best"] is None
    assert second["p_adjusted_vs_best"] > 0.05 > third["p_adjusted_vs_best"]
    assert best["resamples"]["rmse"]["n"] == 10
    pairs = {(p["a"], p["b"]): p for p in found["pairwise"]}
    assert set(pairs) == {("a", "b"), ("a", "c"), ("b", "c")}
    assert pairs["a", "c"]["difference"] == pytest.approx(-0.4, abs=0.02)
    assert all(p["p"] <= p["p_adjusted"] for p in pairs.values())
    json.dumps(found, allow_nan=False)


def test_a_model_that_the_judged_rows_show_behind_is_not_tied():
    """Its resamples say nothing: as for a constant in windows of time that hold one class."""
    predictions = {"good": Y + 0.3 * NOISE, "as_good": Y - 0.3 * NOISE, "constant": 0 * Y}
    means = {"good": 0.4, "as_good": 0.5, "constant": 0.5}
    wide = {name: scores(mean, 0.4, seed=i) for i, (name, mean) in enumerate(means.items())}
    found = leaderboard(META, Y, predictions, wide, Params(bootstrap=500), 0)
    assert found["group"] == ["good", "as_good"]
    constant = next(m for m in found["models"] if m["name"] == "constant")
    assert constant["p_adjusted_vs_best"] > 0.05
    assert constant["behind_on_judged"]
    gap = constant["judged_vs_best"]
    assert 0 < gap["low"] < gap["value"] < gap["high"]
    assert "val show behind" in found["method"]


@pytest.mark.parametrize("metric", ["rmse", "r2"])
def test_a_difference_on_the_judged_rows_is_paired(metric):
    """Two models with the same error of every row differ by nothing, however wide each is."""
    from tasks.compare.bootstrap import differences
    from tasks.core.scoring import metrics

    module = metrics("regression")[metric]
    predictions = {"a": Y + 0.5, "b": Y - 0.5, "c": Y + 0.6}
    found = differences(module, Y, predictions, "a", 300, 0.95, 0)
    assert set(found) == {"b", "c"}
    assert found["b"]["low"] == pytest.approx(0, abs=1e-6)
    assert found["b"]["high"] == pytest.approx(0, abs=1e-6)
    assert (found["c"]["low"] > 0) is (metric == "rmse")


def test_fewer_resamples_are_paired_on_the_common_ones():
    """Model b's first five are better than a's, its other five do not exist."""
    a, b = scores(0.5, 0.001, seed=1), scores(0.4, 0.001, count=5, seed=2)
    found = board({"a": a, "b": b})
    assert found["group"] == ["b"]
    pair = found["pairwise"][0]
    assert pair["resamples"] == 5
    expected = np.mean(b["scores"]["rmse"]) - np.mean(a["scores"]["rmse"][:5])
    assert pair["difference"] == pytest.approx(expected)
    assert "5 to 10 resamples" in found["method"]


def test_greater_is_better_turns_the_order():
    found = board({"a": scores(0.5), "b": scores(0.9, seed=2)}, primary="r2")
    assert [m["name"] for m in found["models"]] == ["b", "a"]
    assert found["greater_is_better"]


def test_a_model_without_resamples_comes_last_and_is_not_tied():
    found = board({"a": scores(0.5), "b": None})
    assert found["models"][1]["name"] == "b"
    assert found["models"][1]["resamples"] == {}
    assert found["group"] == ["a"]
    assert found["pairwise"][0]["p"] is None


def test_an_unknown_primary_metric():
    with pytest.raises(ParamsError, match=r"compare\.primary: .*Did you mean 'rmse'"):
        board({"a": scores(0.5)}, primary="rmsee")


def test_the_table():
    found = table(board({"a": scores(0.5), "b": None}))
    assert found.height == 2
    assert {"rank", "name", "rmse", "rmse_low", "rmse_resamples_mean"} <= set(found.columns)
