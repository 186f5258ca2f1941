"""R², the share of the target's variance that is explained; below 0: worse than its mean.

Not for comparing across data sets: the variance differs. NaN where all values are equal.
"""

import numpy as np

TASK = "regression"
GREATER_IS_BETTER = True


def rows(y: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return squared error, centred value and its square, (n, 3)."""
    centered = y - y.mean()  # no digits lost where the values are far from 0
    return np.stack([(prediction - y) ** 2, centered, centered**2], axis=1)


def combine(means: np.ndarray) -> np.ndarray:
    """Return the metric of means over rows, (..., 3) -> (...)."""
    variance = means[..., 2] - means[..., 1] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0, 1 - means[..., 0] / variance, np.nan)


def score(y: np.ndarray, prediction: np.ndarray) -> float:
    """Return R² of predictions (n,) for values (n,)."""
    return float(combine(rows(y, prediction).mean(axis=0)))
