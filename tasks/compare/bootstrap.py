"""Bootstrap intervals of every metric on the judged rows, all models on the same draws."""

from typing import Any

import numpy as np

from tasks.core.draws import LOOPED, affordable, gaps, looped, weights
from tasks.core.scoring import Metric

Values = dict[str, dict[str, float | None]]


def intervals(
    metrics: dict[str, Metric],
    y: np.ndarray,
    predictions: dict[str, np.ndarray],
    draws: int,
    confidence: float,
    seed: int,
) -> tuple[dict[str, Values], dict[str, int]]:
    """Return for each model and metric {value, low, high}, and the number of draws of each metric.

    Rows are drawn with replacement. A metric that is a function of means over rows (`rows`,
    `combine`) costs one matrix product for all draws. The interval is BCa (Efron 1987, "Better
    Bootstrap Confidence Intervals"), its acceleration by the jackknife; a metric may ask for the
    plain percentile interval (`INTERVAL`). An undefined value is None.
    """
    count = affordable(len(y), draws)
    counts = {n: count if hasattr(m, "rows") else LOOPED for n, m in metrics.items()}
    terms = {
        (model, name): metric.rows(y, prediction)
        for model, prediction in predictions.items()
        for name, metric in metrics.items()
        if hasattr(metric, "rows")
    }
    stacked = {model: _stacked([terms.get((model, n)) for n in metrics]) for model in predictions}
    drawn: dict[tuple[str, str], list[np.ndarray]] = {
        (model, name): [] for model in predictions for name in metrics
    }
    done = 0
    block = max((getattr(m, "BLOCK", 1) for m in metrics.values()), default=1)
    for drawn_rows in weights(len(y), count, seed, block):
        for model, prediction in predictions.items():
            means = (drawn_rows @ stacked[model]).astype(np.float64) / len(y)  # (draw, all terms)
            first = 0
            for name, metric in metrics.items():
                if (model, name) in terms:
                    width = terms[model, name].shape[1]
                    values = metric.combine(means[:, first : first + width])
                    first += width
                else:
                    left = drawn_rows[: max(counts[name] - done, 0)]
                    values = looped(metric, y, prediction, left)
                drawn[model, name].append(values)
        done += len(drawn_rows)
    found: dict[str, Values] = {model: {} for model in predictions}
    for (model, name), values in drawn.items():
        rows, metric = terms.get((model, name)), metrics[name]
        value = metric.score(y, predictions[model])
        found[model][name] = _interval(value, np.concatenate(values), rows, metric, 1 - confidence)
    return found, counts


def differences(
    metric: Metric,
    y: np.ndarray,
    predictions: dict[str, np.ndarray],
    best: str,
    draws: int,
    confidence: float,
    seed: int,
) -> dict[str, dict[str, float | None]]:
    """Return for each model but `best` {value, low, high} of its metric minus that of `best`.

    Paired: both on the same draws of the rows. Percentile intervals, simultaneous over the models
    (Bonferroni).
    """
    alpha = (1 - confidence) / max(len(predictions) - 1, 1)
    found: dict[str, dict[str, float | None]] = {}
    for name, drawn in gaps(metric, y, predictions, best, draws, seed).items():
        value = metric.score(y, predictions[name]) - metric.score(y, predictions[best])
        if not np.isfinite(value) or not len(drawn):
            found[name] = {"value": None, "low": None, "high": None}
            continue
        low, high = (float(q) for q in np.quantile(drawn, [alpha / 2, 1 - alpha / 2]))
        found[name] = {"value": float(value), "low": min(low, value), "high": max(high, value)}
    return found


def _stacked(terms: list[np.ndarray | None]) -> np.ndarray:
    """Return terms side by side, (n, all terms) float32: one product a model, half the memory."""
    stacked = np.concatenate([t for t in terms if t is not None], axis=1)
    with np.errstate(over="ignore"):
        single = stacked.astype(np.float32)
    return single if np.isfinite(single).all() else stacked


def _interval(
    value: float, drawn: np.ndarray, rows: np.ndarray | None, metric: Metric, alpha: float
) -> dict[str, float | None]:
    """Return {value, low, high}; the interval always holds the value."""
    from scipy.special import ndtr, ndtri

    drawn = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or not len(drawn):
        return {"value": None, "low": None, "high": None}
    if rows is not None and (exact := _all_alike(rows, alpha)):
        return {"value": value, "low": exact[0], "high": exact[1]}
    shares = np.array([alpha / 2, 1 - alpha / 2])
    if getattr(metric, "INTERVAL", "bca") == "bca":
        below = (np.sum(drawn < value) + np.sum(drawn == value) / 2) / len(drawn)
        bias = ndtri(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn)))
        z = bias + ndtri(shares)
        acceleration = 0.0 if rows is None else _acceleration(rows, metric)
        shares = ndtr(bias + z / np.maximum(1 - acceleration * z, 1e-3))
    low, high = (float(q) for q in np.quantile(drawn, shares))
    return {"value": value, "low": min(low, value), "high": max(high, value)}


def _all_alike(rows: np.ndarray, alpha: float) -> tuple[float, float] | None:
    """Return the exact binomial interval where every row is right, or every one wrong, else None.

    Clopper & Pearson 1934: no resampling of such rows shows an error, yet there may be some.
    """
    if rows.shape[1] != 1 or rows[0, 0] not in (0, 1) or (rows != rows[0, 0]).any():
        return None
    bound = (alpha / 2) ** (1 / len(rows))
    return (bound, 1.0) if rows[0, 0] == 1 else (0.0, 1 - bound)


def _acceleration(rows: np.ndarray, metric: Metric) -> float:
    left_out = metric.combine((rows.sum(axis=0) - rows) / max(len(rows) - 1, 1))  # (n,)
    gaps: Any = left_out.mean() - left_out
    total = float((gaps**2).sum())
    return float((gaps**3).sum()) / (6 * total**1.5) if total > 0 and np.isfinite(total) else 0.0
