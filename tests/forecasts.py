"""Windows of a small series that can be foretold, for the tests of models that forecast."""

import numpy as np

from tasks.core.fitting import FitData
from tasks.core.sequence import Sequence

SEASON = 6


def series(steps: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a target (steps,) of a season and of what is known ahead, a channel that says nothing,
    and what is known, each float64.
    """
    rng = np.random.default_rng(seed)
    known = rng.normal(size=steps).round(1)
    season = np.sin(2 * np.pi * np.arange(steps) / SEASON)
    target = 300 + 20 * season + 15 * known + rng.normal(size=steps)
    return target, rng.normal(size=steps), known


def windows(
    rows: int = 260, context: int = 12, horizon: int = 3, kept: int = 60, static: int = 0
) -> FitData:
    """Return windows of the series, one a step; the last `kept` to stop early by."""
    target, other, known = series(rows + context + horizon)
    sequence = Sequence(
        context=context,
        horizon=horizon,
        channels=("target", "other", "known"),
        known=("known",),
        static=tuple(f"s{i}" for i in range(static)),
        quantiles=(0.1, 0.5, 0.9),
        season=SEASON,
        step_s=600.0,
        scale=10.0,
    )
    table = np.stack([target, other, known], 1)
    X, y = [], []
    for at in range(context, context + rows):
        ahead = known[at : at + horizon]
        X.append(np.concatenate([table[at - context : at].ravel(), ahead, [at % 5] * static]))
        y.append(target[at : at + horizon])
    X, y, first = np.array(X, np.float32), np.array(y), rows - kept
    return FitData(
        X[:first],
        y[:first],
        X[first:],
        y[first:],
        "forecast",
        sequence=sequence,
        feature_names=sequence.feature_names,
    )
