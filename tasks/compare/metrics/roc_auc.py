"""Area under the ROC curve: of class 1 of two, else the mean of each class against the rest.

A class without rows, or with all of them, is left out; NaN where none is left. It looks at order
only: probabilities may be far off.
"""

import numpy as np

TASK = "classification"
GREATER_IS_BETTER = True


def score(y: np.ndarray, prediction: np.ndarray) -> float:
    """Return the area of probabilities (n, k) for class indices (n,)."""
    return float(weighted(y, prediction, np.ones((1, len(y))))[0])


def weighted(y: np.ndarray, prediction: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the area for each set of row weights, (draw, n) -> (draw,)."""
    k = prediction.shape[1]
    classes = [1] if k == 2 else [c for c in range(k) if 0 < (y == c).sum() < len(y)]
    areas = np.full((max(len(classes), 1), len(weights)), np.nan)
    for i, c in enumerate(classes):
        areas[i] = _area(y == c, prediction[:, c], weights)
    defined = ~np.isnan(areas)
    total = np.where(defined, areas, 0).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return total / np.where(defined.any(axis=0), defined.sum(axis=0), np.nan)


def _area(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted Mann-Whitney statistic, (draw,); ties count half.

    Hanley & McNeil 1982, "The meaning and use of the area under a ROC curve".
    """
    order = np.argsort(scores, kind="stable")
    ordered, positive = scores[order], positive[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])  # of runs of equal scores
    by_score = weights[:, order]
    ups, downs = by_score * positive, by_score * ~positive
    if len(starts) < len(order):
        ups, downs = (np.add.reduceat(w, starts, axis=1) for w in (ups, downs))
    below = np.cumsum(downs, axis=1) - downs / 2
    pairs = ups.sum(axis=1) * downs.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.einsum("dn,dn->d", ups, below) / np.where(pairs > 0, pairs, np.nan)
