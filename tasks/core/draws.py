"""Rows drawn with replacement, the same draws for all that is compared on them.

A metric is a metric plugin's module, or what stands for one (`scoring.Metric`).
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

CELLS = 2_000_000  # draws x rows at once: 8 MB of weights
WORK = 50_000_000  # draws x rows in all: above it fewer draws, of more rows each
LEAST = 500
LOOPED = 200  # of a metric that has to be computed anew for every draw


def affordable(n: int, draws: int) -> int:
    """Return how many draws of n rows are made where `draws` are wanted."""
    return min(draws, max(LEAST, WORK // n))


def weights(n: int, draws: int, seed: int, block: int = 1) -> Iterator[np.ndarray]:
    """Give how often each row is drawn, (draw, n) float32, in chunks.

    block: rows that follow each other are drawn together, round the end (Politis & Romano 1992,
    "A circular block-resampling procedure for stationary data").
    """
    chunk, block = max(1, CELLS // n), min(block, n)
    if draws <= chunk:
        yield _at_once(n, draws, seed, block)
        return
    random = np.random.default_rng(seed)
    for start in range(0, draws, chunk):
        yield _weights(random, n, min(chunk, draws - start), block)


@lru_cache(maxsize=2)  # of all draws, and of those that a looped metric takes
def _at_once(n: int, draws: int, seed: int, block: int) -> np.ndarray:
    """Return the weights of all draws, kept for the next metric: they take as long as it does."""
    found = _weights(np.random.default_rng(seed), n, draws, block)
    found.flags.writeable = False
    return found


def _weights(random: np.random.Generator, n: int, draws: int, block: int) -> np.ndarray:
    if block == 1:
        places = random.integers(0, n, (draws, n), dtype=np.int32)
    else:
        first = random.integers(0, n, (draws, -(-n // block), 1), dtype=np.int32)
        places = ((first + np.arange(block)) % n).reshape(draws, -1)[:, :n]
    flat = places + np.arange(draws, dtype=np.int64)[:, None] * n
    return np.bincount(flat.ravel(), minlength=draws * n).reshape(draws, n).astype(np.float32)


def looped(metric: Any, y: np.ndarray, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return a metric's value on each draw, computed anew for each, (draw,)."""
    rows = [np.repeat(np.arange(len(y)), w.astype(int)) for w in weights]
    return np.array([metric.score(y[r], prediction[r]) for r in rows])


def values(
    metric: Any, y: np.ndarray, predictions: dict[str, np.ndarray], draws: int, seed: int
) -> dict[str, np.ndarray]:
    """Return each prediction's metric on each draw, (draw,); all on the same draws."""
    one = hasattr(metric, "rows")
    terms = {n: metric.rows(y, p) for n, p in predictions.items()} if one else {}
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in predictions}
    count, block = affordable(len(y), draws) if one else LOOPED, getattr(metric, "BLOCK", 1)
    for drawn_rows in weights(len(y), count, seed, block):
        for name, prediction in predictions.items():
            if one:
                means = (drawn_rows @ terms[name]).astype(np.float64) / len(y)
                drawn[name].append(metric.combine(means))
            else:
                drawn[name].append(looped(metric, y, prediction, drawn_rows))
    return {name: np.concatenate(parts) for name, parts in drawn.items()}


def gaps(
    metric: Any,
    y: np.ndarray,
    predictions: dict[str, np.ndarray],
    best: str,
    draws: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Return for each prediction but `best` its metric minus that of `best` on each draw, (draw,).

    What is not finite is left out.
    """
    found = values(metric, y, predictions, draws, seed)
    apart = {name: v - found[best] for name, v in found.items() if name != best}
    return {name: gap[np.isfinite(gap)] for name, gap in apart.items()}
