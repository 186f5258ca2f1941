"""Mean absolute error, in the unit of the target. It rewards medians, not means."""

import numpy as np

TASK = "regression"
GREATER_IS_BETTER = False


def rows(y: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return the absolute errors, (n, 1)."""
    return np.abs(prediction - y)[:, None]


def combine(means: np.ndarray) -> np.ndarray:
    """Return the metric of means over rows, (..., 1) -> (...)."""
    return means[..., 0]


def score(y: np.ndarray, prediction: np.ndarray) -> float:
    """Return the error of predictions (n,) for values (n,)."""
    return float(combine(rows(y, prediction).mean(axis=0)))
