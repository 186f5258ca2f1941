"""How far the share of values inside the widest interval is from what the interval states.

0.02 of an interval of 80 %: it covers 78 % or 82 %. It says nothing of the width: a forecast that
knows nothing can cover well. NaN with fewer than two quantiles.
"""

import numpy as np

from tasks.core.sequence import Sequence

TASK = "forecast"
GREATER_IS_BETTER = False


def rows(y: np.ndarray, prediction: np.ndarray, sequence: Sequence) -> np.ndarray:
    """Return the share of each forecast's steps that lie inside, (n, 1).

    y: (n, horizon); prediction: (n, horizon, quantile).
    """
    inside = (y >= prediction[:, :, 0]) & (y <= prediction[:, :, -1])
    return inside.mean(axis=1)[:, None]


def combine(means: np.ndarray, sequence: Sequence) -> np.ndarray:
    """Return the metric of means over rows, (..., 1) -> (...)."""
    stated = sequence.quantiles[-1] - sequence.quantiles[0]
    return np.abs(means[..., 0] - stated) if stated else np.full(means.shape[:-1], np.nan)
