"""Mean absolute scaled error: that of the median over that of "as a season ago" in training.

Hyndman & Koehler 2006, "Another look at measures of forecast accuracy". Below 1: better than the
seasonal naive forecast was, one season ahead, on the training part. NaN where that one never errs.
"""

import numpy as np

from tasks.compare.metrics.forecast_mae import rows
from tasks.core.sequence import Sequence

__all__ = ["combine", "rows"]
TASK = "forecast"
GREATER_IS_BETTER = False


def combine(means: np.ndarray, sequence: Sequence) -> np.ndarray:
    """Return the metric of means over rows, (..., 1) -> (...)."""
    return means[..., 0] / (sequence.scale or np.nan)
