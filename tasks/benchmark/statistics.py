"""Percentiles of latencies, with intervals from a block bootstrap over rounds.

A block is a round: calls within one share what the machine did just then. With few blocks a
percentile
interval is too narrow; its quantiles are widened as Student's t asks (Hesterberg 2015, "What
Teachers Should Know About the Bootstrap", section 5.3).
"""

from typing import Any

import numpy as np

PERCENTILES = (50, 95, 99)
# MLPerf LoadGen's floor: with fewer samples (rows below) a percentile is not stated
FLOOR = {50: 10, 90: 64, 95: 130, 99: 662}
RESAMPLES = 400
INSUFFICIENT = "insufficient"


def resampled_rounds(rounds: int, seed: int) -> np.ndarray:
    """Return the rounds of each resample, (resample, round) int; shared by all entries."""
    return np.random.default_rng(seed).integers(rounds, size=(RESAMPLES, rounds))


def percentiles(ms: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the percentiles of (round, call) latencies, (3,), and of resamples, (resample, 3)."""
    share = np.array(PERCENTILES) / 100
    again = ms[draws].reshape(len(draws), -1)
    return np.quantile(ms, share), np.quantile(again, share, axis=1).T


def interval(draws: np.ndarray, blocks: int, confidence: float) -> tuple[float, float]:
    """Return the interval of a statistic from its bootstrap draws, widened for few blocks."""
    from scipy import stats

    tail = (1 - confidence) / 2
    t = stats.t.ppf(tail, blocks - 1) * np.sqrt(blocks / (blocks - 1))
    widened = float(stats.norm.cdf(t))
    low, high = np.quantile(draws, [widened, 1 - widened])
    return float(low), float(high)


def stated(
    ms: np.ndarray, draws: np.ndarray, confidence: float
) -> tuple[dict[str, Any], np.ndarray]:
    """Return `p50_ms`, `p50_low`, `p50_high` and so on, and the p50 of each resample, (resample,).

    A percentile of too few samples is "insufficient", its interval None.
    """
    found, again = percentiles(ms, draws)
    columns: dict[str, Any] = {"samples": int(ms.size)}
    for at, percent in enumerate(PERCENTILES):
        enough = ms.size >= FLOOR[percent]
        low, high = interval(again[:, at], len(ms), confidence) if enough else (None, None)
        columns[f"p{percent}_ms"] = float(found[at]) if enough else INSUFFICIENT
        columns[f"p{percent}_low"], columns[f"p{percent}_high"] = low, high
    return columns, again[:, 0]


def speed_up(
    ms: np.ndarray,
    p50s: np.ndarray,
    parent: np.ndarray,
    parent_p50s: np.ndarray,
    confidence: float,
) -> dict[str, float]:
    """Return how many times faster than its parent, by p50; paired: both draw the same rounds."""
    low, high = interval(parent_p50s / p50s, len(ms), confidence)
    ratio = float(np.median(parent) / np.median(ms))
    return {"speedup": ratio, "speedup_low": low, "speedup_high": high}
