"""The statistics of the protocol on synthetic latencies, whose truth is known."""

import numpy as np
import pytest

from tasks.benchmark import statistics


def latencies(rng, rounds, calls, scale=1.0, between=0.05):
    """Return log-normal latencies whose rounds differ: (round, call) ms."""
    level = np.exp(rng.normal(0, between, (rounds, 1)))
    return scale * level * np.exp(rng.normal(0, 0.1, (rounds, calls)))


def test_the_interval_of_the_p50_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    draws = statistics.resampled_rounds(12, 0)
    hits = 0
    for _ in range(200):
        columns, _ = statistics.stated(latencies(rng, 12, 30), draws, 0.95)
        hits += columns["p50_low"] <= 1.0 <= columns["p50_high"]  # the true median is 1
    assert 0.90 <= hits / 200 <= 0.99


def test_calls_of_a_round_are_not_taken_as_independent():
    """With 500 calls a round the naive interval would be 5 times narrower than rounds differ."""
    ms = latencies(np.random.default_rng(1), 10, 500)
    columns, _ = statistics.stated(ms, statistics.resampled_rounds(10, 0), 0.95)
    assert columns["p50_high"] - columns["p50_low"] > 0.03


def test_the_speed_up_is_paired_and_covers_the_truth():
    rng = np.random.default_rng(2)
    draws = statistics.resampled_rounds(12, 0)
    hits, widths = 0, []
    for _ in range(150):
        level = np.exp(rng.normal(0, 0.3, (12, 1)))  # the machine slows both alike
        parent = level * 2.0 * np.exp(rng.normal(0, 0.1, (12, 30)))
        ms = level * 0.8 * np.exp(rng.normal(0, 0.1, (12, 30)))
        found = statistics.speed_up(
            *(ms, statistics.stated(ms, draws, 0.95)[1]),
            *(parent, statistics.stated(parent, draws, 0.95)[1], 0.95),
        )
        assert found["speedup_low"] <= found["speedup_high"]
        hits += found["speedup_low"] <= 2.5 <= found["speedup_high"]
        widths.append(found["speedup_high"] - found["speedup_low"])
    assert hits / 150 >= 0.9
    assert np.median(widths) < 0.8  # unpaired it would be about 1.3: rounds differ by 30 %


@pytest.mark.parametrize(
    ("calls", "stated"),
    [(4, {50}), (10, {50}), (13, {50, 95}), (66, {50, 95}), (67, {50, 95, 99})],
)
def test_too_few_samples_are_called_insufficient(calls, stated):
    ms = latencies(np.random.default_rng(3), 10, calls)
    columns, _ = statistics.stated(ms, statistics.resampled_rounds(10, 0), 0.95)
    assert columns["samples"] == 10 * calls
    for percent in statistics.PERCENTILES:
        value, low = columns[f"p{percent}_ms"], columns[f"p{percent}_low"]
        if percent in stated:
            assert value == pytest.approx(np.quantile(ms, percent / 100))
            assert low <= value <= columns[f"p{percent}_high"]
        else:
            assert (value, low) == ("insufficient", None)


def test_the_same_seed_gives_the_same_interval():
    ms = latencies(np.random.default_rng(4), 10, 20)
    first, second = (
        statistics.stated(ms, statistics.resampled_rounds(10, 7), 0.95)[0] for _ in "ab"
    )
    assert first == second
