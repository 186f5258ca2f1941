"""Split conformal calibration of quantiles: stated 80 % is 80 % on rows like those kept back.

Romano, Patterson & Candès 2019 (arXiv 1905.03222), section 2, each side by itself. It needs rows
that no fit has seen, and that resemble those to come: where the spread drifts, so does coverage.
"""

import numpy as np


def offsets(y: np.ndarray, quantiles: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """Return what to add to the quantiles of each step, (horizon, quantile) float64.

    y: (n, horizon); quantiles: (n, horizon, quantile), as a model predicts them for rows kept back.
    The median stays as it is. Without rows: zeros.
    """
    found = np.zeros(quantiles.shape[1:])
    if not len(y):
        return found
    errors = np.sort(y[:, :, None] - quantiles, axis=0)  # (row, step, quantile)
    for at, level in enumerate(levels):
        if level != 0.5:
            found[:, at] = errors[_place(len(y), level), :, at]
    return found


def _place(rows: int, level: float) -> int:
    """Return the place among sorted errors that a new one lies below with probability `level`.

    At least so for levels above a half, at most so for those below: intervals are never too narrow
    on average.
    """
    if level > 0.5:
        return min(rows - 1, int(np.ceil((rows + 1) * level - 1e-9)) - 1)
    return max(0, int(np.floor((rows + 1) * level + 1e-9)) - 1)


def ascending(quantiles: np.ndarray, median: int) -> np.ndarray:
    """Return quantiles that do not cross, (..., quantile): outwards from the median.

    It is what `to_onnx` of a model does by Min and Max.
    """
    found = quantiles.copy()
    for at in range(median + 1, found.shape[-1]):
        found[..., at] = np.maximum(found[..., at], found[..., at - 1])
    for at in range(median - 1, -1, -1):
        found[..., at] = np.minimum(found[..., at], found[..., at + 1])
    return found
