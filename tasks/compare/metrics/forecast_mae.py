"""Mean absolute error of the median over all steps of the horizon, in the unit of the target.

It says nothing of the interval: see `pinball`.
"""

import numpy as np

from tasks.core.sequence import Sequence

TASK = "forecast"
GREATER_IS_BETTER = False


def rows(y: np.ndarray, prediction: np.ndarray, sequence: Sequence) -> np.ndarray:
    """Return each forecast's mean absolute error, (n, 1).

    y: (n, horizon); prediction: (n, horizon, quantile).
    """
    return np.abs(prediction[:, :, sequence.median] - y).mean(axis=1)[:, None]


def combine(means: np.ndarray, sequence: Sequence) -> np.ndarray:
    """Return the metric of means over rows, (..., 1) -> (...)."""
    return means[..., 0]
