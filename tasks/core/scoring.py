"""Every metric of a task, on predictions."""

import math
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from tasks.core.plugins import Plugin, names
from tasks.core.schema import Task
from tasks.core.sequence import Sequence

PRIMARY: dict[Task, str] = {
    "regression": "rmse",
    "classification": "accuracy",
    "forecast": "forecast_mae",
}


@dataclass(frozen=True)
class Forecasting:
    """A metric of forecasts that knows the horizon and the quantiles: it is used like any other.

    Origins follow each other, so their errors are alike: rows are drawn in blocks of BLOCK.
    """

    module: ModuleType
    sequence: Sequence
    INTERVAL = "percentile"  # BCa's jackknife takes rows for independent

    @property
    def TASK(self) -> str:
        return self.module.TASK

    @property
    def GREATER_IS_BETTER(self) -> bool:
        return self.module.GREATER_IS_BETTER

    @property
    def BLOCK(self) -> int:
        return self.sequence.block

    def rows(self, y: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        """Return the terms of each row: (n, term); prediction: (n, horizon x quantile)."""
        return self.module.rows(y, self.sequence.shaped(prediction), self.sequence)

    def combine(self, means: np.ndarray) -> np.ndarray:
        """Return the metric of means over rows, (..., term) -> (...)."""
        return self.module.combine(means, self.sequence)

    def score(self, y: np.ndarray, prediction: np.ndarray) -> float:
        """Return the metric of forecasts for values (n, horizon)."""
        return float(self.combine(self.rows(y, prediction).mean(axis=0)))


Metric = ModuleType | Forecasting


def bound(module: ModuleType, sequence: Sequence | None) -> Metric:
    """Return a metric as it is used: one of forecasts knows their windows."""
    return Forecasting(module, sequence) if sequence else module


def metrics(
    task: Task, chosen: list[Plugin] | None = None, sequence: Sequence | None = None
) -> dict[str, Metric]:
    """Return the metrics of a task, by name; `chosen`: of these, None for all there are."""
    if chosen is None:
        chosen = [Plugin(kind="metric", name=name) for name in names("metric")]
    return {m.name: bound(m.module, sequence) for m in chosen if task == m.module.TASK}


def plain(task: Task, prediction: np.ndarray) -> np.ndarray:
    """Return predictions as metrics take them: (n,) values, else (n, output)."""
    if task == "regression":
        return np.ravel(prediction)
    return np.reshape(prediction, (len(prediction), -1))


def scores(
    task: Task,
    y: np.ndarray,
    prediction: np.ndarray,
    chosen: list[Plugin] | None = None,
    sequence: Sequence | None = None,
) -> dict[str, float | None]:
    """Return each metric of predictions (n,) or (n, 1), (n, k), or (n, horizon, quantile).

    None: it is undefined. `chosen`: the metrics, of which those of the task count; None for all.
    """
    given = np.asarray(plain(task, prediction), np.float64)
    values = {n: float(m.score(y, given)) for n, m in metrics(task, chosen, sequence).items()}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
