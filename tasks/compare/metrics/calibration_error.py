"""Expected calibration error: how far the confidence in the chosen class is from its accuracy.

Naeini et al. 2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", and Guo et
al. 2017, "On Calibration of Modern Neural Networks", section 2: 15 bins of equal width, weighted by
rows. It is biased upwards on few rows, and blind to where the rest of the probability goes.
"""

import numpy as np

TASK = "classification"
GREATER_IS_BETTER = False
BINS = 15
INTERVAL = "percentile"  # draws lie above the value (a sum of |means|): BCa would go below both


def rows(y: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return right (1 or 0) minus confidence, in the column of the row's bin; (n, BINS)."""
    confidence = prediction.max(axis=1).astype(float)
    gap = (prediction.argmax(axis=1) == y) - confidence
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)  # (low, high]
    terms = np.zeros((len(y), BINS))
    terms[np.arange(len(y)), place] = gap
    return terms


def combine(means: np.ndarray) -> np.ndarray:
    """Return the metric of means over rows, (..., BINS) -> (...)."""
    return np.abs(means).sum(axis=-1)


def score(y: np.ndarray, prediction: np.ndarray) -> float:
    """Return the error of probabilities (n, k) for class indices (n,)."""
    return float(combine(rows(y, prediction).mean(axis=0)))
