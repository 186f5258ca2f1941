"""Area under the ROC curve: of class 1 of two, else the mean of each class against the rest.

A class without rows, or with all of them, is left out; NaN where none is left. It looks at order
only: probabilities may be far off.
"""

import numpy as np

TASK = "classification"
GREATER_IS_BETTER = True


def rows(y: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return for each class: placement if of it, is of it, placement if not, area; (n, 4 k').

    The placement of a row is the share of the other side's rows that it is on the right side of,
    ties half. Their means give the area exactly, its changes with the rows' weights to first order
    (DeLong et al. 1988, "Comparing the areas under two or more correlated ROC curves").
    """
    k = prediction.shape[1]
    terms = []
    for c in [1] if k == 2 else range(k):
        positive = y == c
        if not 0 < positive.sum() < len(y):
            continue
        scores = prediction[:, c]
        ups, downs = np.sort(scores[positive]), np.sort(scores[~positive])
        above = _share_below(downs, scores)
        below = 1 - _share_below(ups, scores)
        area = above[positive].mean()
        terms += [above * positive, positive, below * ~positive, np.full(len(y), area)]
    return np.stack(terms, axis=1) if terms else np.zeros((len(y), 0))


def _share_below(ordered: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the share of `ordered` below each score, ties half, (n,)."""
    left, right = (np.searchsorted(ordered, scores, side) for side in ("left", "right"))
    return (left + right) / (2 * len(ordered))


def combine(means: np.ndarray) -> np.ndarray:
    """Return the metric of means over rows, (..., 4 k') -> (...)."""
    of_it, share, others, area = (means[..., i::4] for i in range(4))
    both = (share > 0) & (share < 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        areas = np.where(both, of_it / share + others / (1 - share) - area, 0)
        return np.clip(areas, 0, 1).sum(axis=-1) / np.where(both.any(-1), both.sum(-1), np.nan)


def score(y: np.ndarray, prediction: np.ndarray) -> float:
    """Return the area of probabilities (n, k) for class indices (n,)."""
    return float(combine(rows(y, prediction).mean(axis=0)))
