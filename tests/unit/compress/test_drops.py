"""What a variant loses: bounds that hold, slices that are large enough."""

import math

import numpy as np
import pytest

from tasks.compress import certificate, drops
from tasks.core.plugins import Plugin
from tests.compressed import certificate as read
from tests.compressed import technique


def metric(name: str) -> Plugin:
    return Plugin(kind="metric", name=name)


@pytest.mark.parametrize("rows", [50, 359, 10_000])
def test_a_bound_where_nothing_was_lost(rows):
    z = 1.6448536269514722
    assert drops.tango(0, 0, rows) == pytest.approx(z**2 / (rows + z**2), rel=1e-6)


def test_the_bound_is_where_the_score_test_just_rejects():
    """At the bound the most likely paired shares with that difference are z from what was seen."""
    lost, won, rows = 12, 2, 50
    bound = drops.tango(lost, won, rows)
    share = np.linspace(1e-6, (1 - bound) / 2 - 1e-6, 200_001)  # of rows won
    rest = rows - lost - won
    likelihood = (
        lost * np.log(share + bound) + won * np.log(share) + rest * np.log(1 - 2 * share - bound)
    )
    best = share[np.argmax(likelihood)]
    spread = math.sqrt((2 * best + bound - bound**2) / rows)
    assert ((lost - won) / rows - bound) / spread == pytest.approx(-1.6448536, abs=1e-3)
    assert bound > (lost - won) / rows


@pytest.mark.parametrize(("lost", "won"), [(0.01, 0.0), (0.03, 0.01), (0.2, 0.1)])
def test_the_bound_is_over_the_truth_19_times_of_20(lost, won):
    random, rows = np.random.default_rng(0), 359
    seen = random.multinomial(rows, [lost, won, 1 - lost - won], 1500)
    held = np.mean([drops.tango(int(a), int(b), rows) >= lost - won for a, b, _ in seen])
    assert held >= 0.935


def test_as_many_lost_as_won_is_no_evidence():
    assert drops.mcnemar(4, 4) == 1
    assert drops.mcnemar(0, 0) == 1
    assert drops.mcnemar(10, 0) == pytest.approx(2 * 0.5**10)


def probabilities(classes: np.ndarray) -> np.ndarray:
    return np.eye(2)[classes]


def test_drops_are_positive_where_it_is_worse():
    random = np.random.default_rng(1)
    y = random.integers(0, 2, 400)
    after = y.copy()
    after[:8] = 1 - after[:8]
    found = drops.drops(y, probabilities(y), probabilities(after), [metric("accuracy")], 0)
    assert found["accuracy"]["value"] == pytest.approx(0.02)
    assert (found["accuracy"]["lost"], found["accuracy"]["won"]) == (8, 0)
    assert 0.02 < found["accuracy"]["bound"] < 0.05
    values = random.normal(size=500)
    before = values + random.normal(0, 0.1, 500)
    worse = before + random.normal(0, 0.1, 500)
    found = drops.drops(values, before, worse, [metric("rmse"), metric("r2")], 0)
    for name in ("rmse", "r2"):
        assert 0 < found[name]["value"] < found[name]["bound"] < 3 * found[name]["value"]
    same = drops.drops(values, before, before, [metric("rmse")], 0)["rmse"]
    assert (same["value"], same["bound"]) == (0, 0)


def test_a_metric_has_a_bound_on_its_worse_side():
    random = np.random.default_rng(2)
    y = np.ones(359, int)
    exact = drops.bounds(y, probabilities(y), [metric("accuracy")], 0)["accuracy"]
    assert exact == pytest.approx(0.05 ** (1 / 359))
    assert drops.bounds(y, probabilities(1 - y), [metric("accuracy")], 0)["accuracy"] == 0
    values = random.normal(size=300)
    off = values + random.normal(0, 0.5, 300)
    rmse = metric("rmse").module.score(values, off)
    assert rmse < drops.bounds(values, off, [metric("rmse")], 0)["rmse"] < 1.2 * rmse
    r2 = metric("r2").module.score(values, off)
    assert r2 > drops.bounds(values, off, [metric("r2")], 0)["r2"] > 0.8 * r2


def test_slices_are_values_and_parts_of_numbers():
    columns = {
        "color": np.array(["red"] * 40 + ["blue"] * 55 + ["rare"] * 5, object),
        "size": np.concatenate([np.arange(99.0), [np.nan]]),
        "name": np.array([f"n{i}" for i in range(100)], object),
    }
    found = drops.slices(columns | {"few": np.arange(100) % 2})
    assert {n: int(r.sum()) for n, r in found.items()} == {
        "color = blue": 55, "color = red": 40, "few = 0": 50, "few = 1": 50,
    }  # fmt: skip
    parts = drops.slices({"size": np.arange(200.0)})
    assert [int(r.sum()) for r in parts.values()] == [50, 50, 50, 50]
    assert not np.sum([r.astype(int) for r in parts.values()], axis=0).max() > 1


def test_the_slice_that_loses_most_is_named():
    y = np.zeros(100)
    after = np.zeros(100)
    after[50:] = 0.5
    parts = {"first": np.arange(100) < 50, "second": np.arange(100) >= 50}
    found = drops.worst_slice(y, np.zeros(100), after, metric("rmse"), parts)
    assert found == {
        "slice": "second", "rows": 50, "before": 0.0, "after": 0.5, "drop": 0.5,
        "metric": "rmse", "of": 2,
    }  # fmt: skip
    assert drops.worst_slice(y, y, y, metric("rmse"), {}) is None


def test_the_certificate_carries_it(digits):
    stated = read(digits.compressed("convnet", "int8_certified", technique("ptq_int8")))
    accuracy = stated["drops"]["accuracy"]
    assert accuracy["value"] <= accuracy["bound"] < 0.1
    assert stated["worst_slice"]["slice"].startswith("digit = ")
    assert stated["worst_slice"]["of"] == 10
    assert stated["bounds"]["accuracy"] < stated["metrics"]["accuracy"]
    assert stated["calibration"]["rows"] == 64
    assert len(stated["calibration"]["sha256"]) == 64
    assert stated["seed"] == 0
    assert 0.9 < stated["nonzero_share"] <= 1
    before = read(digits.fp32("convnet"))
    assert (before["drops"], before["worst_slice"], before["calibration"]) == (None, None, None)
    assert before["nonzero_share"] == 1


def test_zeros_are_counted_through_what_unpacks_them(digits):
    zeros = technique("prune_unstructured", share=0.6, epochs=0)
    for label, after in (("bare", ()), ("small", (technique("ptq_int4"),))):
        stated = read(digits.compressed("convnet", f"zeros_{label}", zeros, *after))
        assert stated["nonzero_share"] == pytest.approx(0.4, abs=0.12), label


def test_rows_have_one_digest():
    rows = {"a": np.arange(3.0), "b": np.array(["x", "y", ""], object)}
    assert certificate.digest(rows) == certificate.digest(dict(reversed(rows.items())))
    assert certificate.digest(rows)["rows"] == 3
    other = rows | {"b": np.array(["x", "", "y"], object)}
    assert certificate.digest(other) != certificate.digest(rows)


def test_bounds_and_p_values_are_those_of_scipys_statistics():
    from scipy import stats

    for right, rows in ((0, 20), (1, 20), (350, 359), (359, 359)):
        exact = stats.binomtest(right, rows, alternative="greater").proportion_ci(0.95)
        assert drops.clopper_pearson(right, rows) == pytest.approx(exact.low, abs=1e-12)
    for lost, won in ((3, 1), (0, 6), (5, 5), (40, 22)):
        expected = stats.binomtest(lost, lost + won).pvalue
        assert drops.mcnemar(lost, won) == pytest.approx(expected, rel=1e-9)
