"""Root mean squared error of the median over all steps, in the unit of the target.

A median is not the best forecast by this measure where the target is skewed: see `forecast_mae`.
"""

import numpy as np

from tasks.core.sequence import Sequence

TASK = "forecast"
GREATER_IS_BETTER = False


def rows(y: np.ndarray, prediction: np.ndarray, sequence: Sequence) -> np.ndarray:
    """Return each forecast's mean squared error, (n, 1).

    y: (n, horizon); prediction: (n, horizon, quantile).
    """
    return ((prediction[:, :, sequence.median] - y) ** 2).mean(axis=1)[:, None]


def combine(means: np.ndarray, sequence: Sequence) -> np.ndarray:
    """Return the metric of means over rows, (..., 1) -> (...)."""
    return np.sqrt(means[..., 0])
