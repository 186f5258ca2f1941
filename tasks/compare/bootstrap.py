"""Bootstrap intervals of every metric on the judged rows, all models on the same draws."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np

CELLS = 2_000_000  # draws x rows at once: 16 MB of weights
WORK = 150_000_000  # draws x rows x classes x models of metrics that are not means: about 1.5 s
LEAST_DRAWS = 200

Values = dict[str, dict[str, float | None]]


def intervals(
    metrics: dict[str, ModuleType],
    y: np.ndarray,
    predictions: dict[str, np.ndarray],
    draws: int,
    confidence: float,
    seed: int,
) -> tuple[dict[str, Values], dict[str, int]]:
    """Return for each model and metric {value, low, high}, and the number of draws of each metric.

    Rows are drawn with replacement. A metric that is a function of means over rows (`rows`,
    `combine`) gets the BCa interval (Efron 1987, "Better Bootstrap Confidence Intervals"), its
    acceleration by the jackknife; the others (`weighted`: ROC AUC) the same without acceleration,
    on fewer draws where the work would be too much. A metric may ask for the plain percentile
    interval (`INTERVAL`). An undefined value is None.
    """
    linear = {name: m for name, m in metrics.items() if hasattr(m, "rows")}
    others = {name: m for name, m in metrics.items() if name not in linear}
    classes = max((p.shape[1] for p in predictions.values() if p.ndim == 2), default=1)
    fewer = WORK // max(len(y) * (classes if classes > 2 else 1) * len(predictions), 1)
    counts = dict.fromkeys(linear, draws)
    counts |= dict.fromkeys(others, max(LEAST_DRAWS, min(draws, fewer)))
    terms = {
        (model, name): metric.rows(y, prediction)
        for model, prediction in predictions.items()
        for name, metric in linear.items()
    }
    drawn: dict[tuple[str, str], list[np.ndarray]] = {
        (model, name): [] for model in predictions for name in metrics
    }
    done = 0
    for weights in _weights(len(y), draws, seed):
        for (model, name), rows in terms.items():
            drawn[model, name].append(linear[name].combine(weights @ rows / len(y)))
        for name, metric in others.items():
            part = weights[: max(counts[name] - done, 0)]
            for model, prediction in predictions.items():
                if len(part):
                    drawn[model, name].append(_weighted(metric, y, prediction, part))
        done += len(weights)
    found: dict[str, Values] = {
        model: {
            name: _interval(
                metric.score(y, prediction),
                np.concatenate(drawn[model, name]),
                terms.get((model, name)),
                metric,
                1 - confidence,
            )
            for name, metric in metrics.items()
        }
        for model, prediction in predictions.items()
    }
    return found, counts


def _weights(n: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Give how often each row is drawn, (draw, n) float64, in chunks."""
    random = np.random.default_rng(seed)
    chunk = max(1, CELLS // n)
    for start in range(0, draws, chunk):
        size = min(chunk, draws - start)
        places = random.integers(0, n, (size, n), dtype=np.int32)
        flat = places + np.arange(size, dtype=np.int64)[:, None] * n
        yield np.bincount(flat.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def _weighted(
    metric: ModuleType, y: np.ndarray, prediction: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    if hasattr(metric, "weighted"):
        return metric.weighted(y, prediction, weights)
    rows = [np.repeat(np.arange(len(y)), w.astype(int)) for w in weights]
    return np.array([metric.score(y[r], prediction[r]) for r in rows])


def _interval(
    value: float, drawn: np.ndarray, rows: np.ndarray | None, metric: ModuleType, alpha: float
) -> dict[str, float | None]:
    """Return {value, low, high}; the interval always holds the value."""
    from scipy.special import ndtr, ndtri

    drawn = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or not len(drawn):
        return {"value": None, "low": None, "high": None}
    if rows is not None and (exact := _all_alike(rows, alpha)):
        return {"value": value, "low": exact[0], "high": exact[1]}
    if getattr(metric, "INTERVAL", "bca") == "percentile":
        low, high = (float(q) for q in np.quantile(drawn, [alpha / 2, 1 - alpha / 2]))
        return {"value": value, "low": min(low, value), "high": max(high, value)}
    below = (np.sum(drawn < value) + np.sum(drawn == value) / 2) / len(drawn)
    bias = ndtri(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn)))
    acceleration = 0.0 if rows is None else _acceleration(rows, metric)
    z = bias + ndtri(np.array([alpha / 2, 1 - alpha / 2]))
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


def _acceleration(rows: np.ndarray, metric: ModuleType) -> float:
    n = len(rows)
    left_out = metric.combine((rows.sum(axis=0) - rows) / max(n - 1, 1))  # (n,)
    gaps: Any = left_out.mean() - left_out
    total = float((gaps**2).sum())
    return float((gaps**3).sum()) / (6 * total**1.5) if total > 0 and np.isfinite(total) else 0.0
