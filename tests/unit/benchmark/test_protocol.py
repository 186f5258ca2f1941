"""Rounds, their budget and drift, on entries whose cost is known."""

import gc

import numpy as np
import pytest

from tasks.benchmark import protocol
from tasks.benchmark.protocol import Entry


def entry(name="a", wanted=200, estimate_ms=0.1, run=lambda feed: None):
    return Entry((name, "engine", 1), run, ["x", "y"], wanted, estimate_ms)


def test_within_the_budget_everybody_gets_what_they_want():
    entries = [entry(wanted=1000, estimate_ms=0.01), entry(wanted=200, estimate_ms=1)]
    assert protocol.plan(entries, rounds=20, budget_s=10) == [50, 10]


def test_over_the_budget_the_slow_ones_share_the_rest():
    fast = [entry(wanted=1000, estimate_ms=0.01) for _ in range(4)]
    slow = [entry(wanted=1000, estimate_ms=5.0), entry(wanted=1000, estimate_ms=10.0)]
    calls = protocol.plan(fast + slow, rounds=20, budget_s=2)
    assert calls[:4] == [50] * 4
    a_round_ms = sum(
        (n + e.settle) * e.estimate_ms for n, e in zip(calls, fast + slow, strict=True)
    )
    assert 80 < a_round_ms <= 100
    assert calls[4] == pytest.approx(2 * calls[5], abs=1)


def test_what_is_too_slow_for_any_budget_still_gets_a_call_a_round():
    assert protocol.plan([entry(estimate_ms=5000.0)], rounds=10, budget_s=1) == [1]


def test_slow_calls_need_no_settling():
    assert [entry(estimate_ms=ms).settle for ms in (0.01, 0.9, 1.5, 50)] == [3, 2, 1, 0]


def test_rounds_interleave_all_entries_in_changing_order():
    order = []
    entries = [
        entry(name, wanted=20, estimate_ms=10.0, run=lambda feed, name=name: order.append(name))
        for name in "abcd"
    ]
    protocol.measure(entries, rounds=10, budget_s=60, seed=3)
    turns = [tuple(order[i : i + 8 : 2]) for i in range(0, 80, 8)]
    assert all(sorted(turn) == list("abcd") for turn in turns)
    assert len(set(turns)) > 3
    assert all(e.ms.shape == (10, 2) for e in entries)
    again, order[:] = list(order), []
    protocol.measure(entries, rounds=10, budget_s=60, seed=3)
    assert order == again


def test_feeds_are_taken_in_turn_and_the_collector_is_off():
    seen, on = [], []
    one = entry(run=lambda feed: (seen.append(feed), on.append(gc.isenabled())))
    one.estimate_ms = 10.0
    one.wanted = 40
    protocol.measure([one], rounds=10, budget_s=60, seed=0)
    assert seen == ["x", "y"] * 20
    assert not any(on)
    assert gc.isenabled()


def test_warm_up_estimates_what_a_call_takes():
    import time

    one = entry(estimate_ms=0.0, run=lambda feed: time.sleep(0.002))
    protocol.warm_up([one], 20)
    assert 1.9 < one.estimate_ms < 50


def test_drift_is_the_ratio_of_the_halves():
    one, other = entry(), entry()
    one.ms = np.concatenate([np.full((5, 4), 1.0), np.full((5, 4), 1.3)])
    other.ms = np.ones((10, 4))
    assert protocol.drift([one]) == pytest.approx(0.3)
    assert protocol.drift([one, other, other]) == 0
    assert protocol.drift([]) == 0


def test_it_measures_again_while_it_drifts_and_keeps_the_steadiest(monkeypatch):
    drifts = iter([0.4, 0.2, 0.3, 0.05])
    attempts = iter(range(9))

    def measure(entries, rounds, budget_s, seed):
        entries[0].ms = np.full((10, 1), float(next(attempts)))

    monkeypatch.setattr(protocol, "measure", measure)
    monkeypatch.setattr(protocol, "drift", lambda references: next(drifts))
    one = entry()
    found = protocol.measure_steadily([one], [one], 10, 1, 0, limit=0.1, repeats=2)
    assert found == [0.4, 0.2, 0.3]  # three attempts, then it is stated as it is
    assert one.ms[0, 0] == 1
