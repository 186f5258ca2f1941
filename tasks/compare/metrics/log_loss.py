"""Mean negative log probability of the right class, in nats; below 1e-15 it counts as that.

A few certain errors decide it: see `calibration_error`.
"""

import numpy as np

TASK = "classification"
GREATER_IS_BETTER = False
LEAST = 1e-15  # a single certain error would make the mean infinite


def rows(y: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return the negative log probability of the right class, (n, 1)."""
    right = prediction[np.arange(len(y)), y].astype(float) / prediction.sum(axis=1)
    return -np.log(np.clip(right, LEAST, 1))[:, None]


def combine(means: np.ndarray) -> np.ndarray:
    """Return the metric of means over rows, (..., 1) -> (...)."""
    return means[..., 0]


def score(y: np.ndarray, prediction: np.ndarray) -> float:
    """Return the log loss of probabilities (n, k) for class indices (n,)."""
    return float(combine(rows(y, prediction).mean(axis=0)))
