"""What the boosters share: learning curves, and the rows and rounds of a last fit on all rows."""

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from tasks.core import progress
from tasks.core.fitting import FitData
from tasks.core.plugins import PluginParams

LARGEST_STEP = 0.3  # of few rounds; an eighth of a model's, in steps of 1, lost thrice as much

Params = TypeVar("Params", bound=PluginParams)


def curves_of(history: dict[str, Any]) -> dict[str, list[float]]:
    """Return the loss by round, by part and metric (`stop rmse`)."""
    return {
        f"{part} {metric}": [float(value) for value in values]
        for part, metrics in history.items()
        for metric, values in metrics.items()
    }


def counts(curves: dict[str, list[float]], kept: int) -> dict[str, int]:
    """Return the best round by the rows for early stopping, rounds run, and rounds of the model."""
    stop = [values for name, values in curves.items() if name.startswith("stop")]
    run = max((len(values) for values in curves.values()), default=0)
    best = int(np.argmin(stop[0])) + 1 if stop else run
    return {"best_round": best, "rounds_run": run, "rounds": kept}


def all_rows(data: FitData, rounds: int) -> tuple[FitData, int]:
    """Return the data with no rows kept back, and the rounds raised by the share of rows gained."""
    X = np.concatenate([data.X, data.X_stop])
    y = np.concatenate([data.y, data.y_stop])
    whole = replace(data, X=X, y=y, X_stop=data.X_stop[:0], y_stop=data.y_stop[:0])
    return whole, max(1, round(rounds * len(y) / len(data.y)))


def fewer_rounds(params: Params, rounds: int, share: float) -> Params:
    """Return the params for a share of so many rounds, which go as far: each is a larger step, but
    for one that would overshoot.
    """
    own: float = params.learning_rate  # type: ignore[attr-defined]
    rate = max(own, min(own / share, LARGEST_STEP))
    changed = {"rounds": max(1, round(share * rounds)), "learning_rate": rate}
    return params.model_copy(update=changed)


def report(done: int, rounds: int, between: tuple[float, float]) -> None:
    """State every tenth round of a fit, which is this part of the whole work (0 to 1)."""
    if done % 10 == 0 or done == rounds:
        begin, end = between
        share = begin + (end - begin) * done / rounds
        progress.report(share, f"round {done} of at most {rounds}")
