"""Share of rows whose most probable class is the right one. Says little where one class is rare."""

import numpy as np

TASK = "classification"
GREATER_IS_BETTER = True


def rows(y: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return 1 where the class is right, else 0, (n, 1)."""
    return (prediction.argmax(axis=1) == y).astype(float)[:, None]


def combine(means: np.ndarray) -> np.ndarray:
    """Return the metric of means over rows, (..., 1) -> (...)."""
    return means[..., 0]


def score(y: np.ndarray, prediction: np.ndarray) -> float:
    """Return the accuracy of probabilities (n, k) for class indices (n,)."""
    return float(combine(rows(y, prediction).mean(axis=0)))
