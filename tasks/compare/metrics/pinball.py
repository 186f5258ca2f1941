"""Mean pinball loss over all steps and quantiles, in the unit of the target.

Koenker & Bassett 1978, "Regression quantiles": least where each quantile is right. Its value
depends on which quantiles there are.
"""

import numpy as np

from tasks.core.sequence import Sequence

TASK = "forecast"
GREATER_IS_BETTER = False


def losses(y: np.ndarray, prediction: np.ndarray, sequence: Sequence) -> np.ndarray:
    """Return the pinball loss of each quantile, its mean over the horizon, (n, quantile).

    y: (n, horizon); prediction: (n, horizon, quantile).
    """
    levels = np.array(sequence.quantiles)
    above = y[:, :, None] - prediction
    return np.maximum(levels * above, (levels - 1) * above).mean(axis=1)


def rows(y: np.ndarray, prediction: np.ndarray, sequence: Sequence) -> np.ndarray:
    """Return each forecast's mean pinball loss, (n, 1)."""
    return losses(y, prediction, sequence).mean(axis=1)[:, None]


def combine(means: np.ndarray, sequence: Sequence) -> np.ndarray:
    """Return the metric of means over rows, (..., 1) -> (...)."""
    return means[..., 0]
