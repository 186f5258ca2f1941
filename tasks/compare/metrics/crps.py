"""Continuous ranked probability score by quantiles, in the unit of the target.

Twice the integral of the pinball loss over the levels (Gneiting & Ranjan 2011, "Comparing density
forecasts using threshold- and quantile-weighted scoring rules"), each level standing for those that
are nearest to it. Rough where there are few levels: compare it among forecasts of the same ones.
"""

import numpy as np

from tasks.compare.metrics import pinball
from tasks.core.sequence import Sequence

TASK = "forecast"
GREATER_IS_BETTER = False


def rows(y: np.ndarray, prediction: np.ndarray, sequence: Sequence) -> np.ndarray:
    """Return each forecast's score, (n, 1).

    y: (n, horizon); prediction: (n, horizon, quantile).
    """
    levels = np.array(sequence.quantiles)
    edges = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, [1.0]])
    return 2 * (pinball.losses(y, prediction, sequence) @ np.diff(edges))[:, None]


def combine(means: np.ndarray, sequence: Sequence) -> np.ndarray:
    """Return the metric of means over rows, (..., 1) -> (...)."""
    return means[..., 0]
