"""Times calls: warmed up, shuffled in interleaved rounds, garbage collector off, on a noisy
machine.

What runs beside the measurement hits every entry alike, and varies from round to round more than
from call to call: so intervals come from resampling whole rounds (`statistics`).
"""

import gc
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tasks.core import progress

SETTLE = 3  # untimed calls when an entry's turn comes: the others had the caches in between
SETTLE_MS = 2.0  # no more of them than fit this: what takes longer hardly notices


@dataclass
class Entry:
    """One thing to time: `run(feed)`, with feeds taken in turn.

    wanted: samples in all; estimate_ms: of one call, from the warm-up; ms: (round, call) in the
    end.
    """

    key: tuple[str, str, int]  # variant, engine, batch
    run: Callable[[Any], Any]
    feeds: list[Any]
    wanted: int
    estimate_ms: float = 0.0
    ms: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))

    @property
    def settle(self) -> int:
        """Return the untimed calls of each turn."""
        return min(SETTLE, int(SETTLE_MS / max(self.estimate_ms, 1e-6)))

    def time(self, calls: int) -> np.ndarray:
        """Return how long each of some calls took, (call,) ms."""
        run, feeds, clock = self.run, self.feeds, time.perf_counter_ns
        took = np.empty(calls, np.int64)
        for i in range(calls):
            feed = feeds[i % len(feeds)]
            began = clock()
            run(feed)
            took[i] = clock() - began
        return took / 1e6


def warm_up(entries: list[Entry], calls: int) -> None:
    """Call each entry that often, and estimate from all but the first what a call takes.

    By the mean, which counts the calls that were interrupted: on a busy machine they cost the most.
    """
    for entry in entries:
        entry.estimate_ms = float(np.mean(entry.time(calls)[calls // 4 :]))


def plan(entries: list[Entry], rounds: int, budget_s: float) -> list[int]:
    """Return the timed calls a round of each entry, so that all rounds fit the budget.

    Those that want little get what they want; the others share the rest in equal time, one call a
    round at least.
    """
    wanted = [-(-e.wanted // rounds) for e in entries]
    need = [(w + e.settle) * e.estimate_ms for w, e in zip(wanted, entries, strict=True)]
    left, share = budget_s * 1e3 / rounds, float("inf")
    for position, cost in enumerate(sorted(need)):
        equal = left / (len(need) - position)
        if cost > equal:
            share = equal
            break
        left -= cost
    return [
        w if cost <= share else max(1, int(share / e.estimate_ms) - e.settle)
        for w, cost, e in zip(wanted, need, entries, strict=True)
    ]


def measure(entries: list[Entry], rounds: int, budget_s: float, seed: int) -> None:
    """Fill each entry's `ms`: in every round all entries have their turn, in shuffled order."""
    calls = plan(entries, rounds, budget_s)
    order = list(range(len(entries)))
    generator = random.Random(seed)
    took: list[list[np.ndarray]] = [[] for _ in entries]
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for at in range(rounds):
            generator.shuffle(order)
            for i in order:
                entries[i].time(entries[i].settle)
                took[i].append(entries[i].time(calls[i]))
            progress.report(0.5 + 0.5 * (at + 1) / rounds, f"round {at + 1} of {rounds}")
    finally:
        if enabled:
            gc.enable()
    for entry, parts in zip(entries, took, strict=True):
        entry.ms = np.stack(parts)


def drift(entries: list[Entry]) -> float:
    """Return how much the p50 of the second half of the rounds differs from the first half's,
    relatively.

    Over several entries: the median of their ratios, since what slows the machine slows them all.
    """
    if not entries:
        return 0.0
    ratios = []
    for entry in entries:
        half = len(entry.ms) // 2
        ratios.append(np.median(entry.ms[half:]) / np.median(entry.ms[:half]))
    return float(abs(np.median(ratios) - 1))


def measure_steadily(
    entries: list[Entry],
    references: list[Entry],
    rounds: int,
    budget_s: float,
    seed: int,
    limit: float,
    repeats: int,
) -> list[float]:
    """Measure, and again while the references drift by more than the limit; keep the steadiest.

    Returns:
        The drift of each attempt; the smallest is that of the samples kept.
    """
    drifts: list[float] = []
    best: list[np.ndarray] = []
    for attempt in range(repeats + 1):
        measure(entries, rounds, budget_s, seed + attempt)
        found = drift(references)
        if not drifts or found < min(drifts):
            best = [e.ms for e in entries]
        drifts.append(found)
        if found <= limit:
            break
    for entry, ms in zip(entries, best, strict=True):
        entry.ms = ms
    return drifts
