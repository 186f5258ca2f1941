"""Tests of differences between models on the same resamples."""

from typing import NamedTuple

import numpy as np


class Difference(NamedTuple):
    """Mean difference, its interval, and the two-sided p-value of no difference."""

    mean: float
    low: float
    high: float
    p: float


def corrected_t(differences: np.ndarray, ratio: float, confidence: float = 0.95) -> Difference:
    """Return the corrected resampled t-test of differences (J,) between two models, J >= 2.

    Nadeau & Bengio 2003, "Inference for the Generalization Error", section 4: resamples share
    training rows, so the variance of their mean is (1 / J + ratio) times theirs, where `ratio` is
    test rows over training rows. J - 1 degrees of freedom.
    """
    from scipy.special import stdtr, stdtrit

    count = len(differences)
    mean = float(np.mean(differences))
    error = float(np.sqrt((1 / count + ratio) * np.var(differences, ddof=1)))
    if error <= 1e-12 * max(abs(mean), 1e-300):  # the same on every resample
        return Difference(mean, mean, mean, 1.0 if mean == 0 else 0.0)
    p = 2 * float(stdtr(count - 1, -abs(mean) / error))
    half = float(stdtrit(count - 1, (1 + confidence) / 2)) * error
    return Difference(mean, mean - half, mean + half, p)


def holm(p_values: list[float]) -> list[float]:
    """Return p-values adjusted for their number, in the given order (Holm 1979)."""
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1)
    return adjusted.tolist()
