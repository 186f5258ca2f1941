"""Root mean squared error, in the unit of the target. One large error weighs much: see `mae`."""

import numpy as np

TASK = "regression"
GREATER_IS_BETTER = False


def rows(y: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return the squared errors, (n, 1)."""
    return ((prediction - y) ** 2)[:, None]


def combine(means: np.ndarray) -> np.ndarray:
    """Return the metric of means over rows, (..., 1) -> (...)."""
    return np.sqrt(means[..., 0])


def score(y: np.ndarray, prediction: np.ndarray) -> float:
    """Return the error of predictions (n,) for values (n,)."""
    return float(combine(rows(y, prediction).mean(axis=0)))
