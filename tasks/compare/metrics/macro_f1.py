"""F1 (harmonic mean of precision and recall) of each class, averaged with equal weight.

Over the classes that occur among the values or the predictions, as scikit-learn's `f1_score`. Noisy
where a class has few rows.
"""

import numpy as np

TASK = "classification"
GREATER_IS_BETTER = True


def rows(y: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return for each class: right, predicted, true; (n, 3 k) of 0 and 1."""
    classes = np.arange(prediction.shape[1])
    predicted = prediction.argmax(axis=1)[:, None] == classes
    true = y[:, None] == classes
    return np.concatenate([predicted & true, predicted, true], axis=1).astype(float)


def combine(means: np.ndarray) -> np.ndarray:
    """Return the metric of means over rows, (..., 3 k) -> (...)."""
    right, predicted, true = np.split(means, 3, axis=-1)
    both = predicted + true
    with np.errstate(divide="ignore", invalid="ignore"):
        f1 = np.where(both > 0, 2 * right / both, 0)
    return f1.sum(axis=-1) / np.maximum((both > 0).sum(axis=-1), 1)


def score(y: np.ndarray, prediction: np.ndarray) -> float:
    """Return macro F1 of probabilities (n, k) for class indices (n,)."""
    return float(combine(rows(y, prediction).mean(axis=0)))
