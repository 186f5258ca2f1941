"""Every metric of a task, on predictions."""

import math
from types import ModuleType

import numpy as np

from tasks.core.plugins import Plugin, names, plugin
from tasks.core.schema import Task

PRIMARY: dict[Task, str] = {"regression": "rmse", "classification": "accuracy"}


def metrics(task: Task) -> dict[str, ModuleType]:
    """Return the metric plugins of a task, by name."""
    found = {name: plugin("metric", name) for name in names("metric")}
    return {name: module for name, module in found.items() if task == module.TASK}


def scores(
    task: Task, y: np.ndarray, prediction: np.ndarray, chosen: list[Plugin] | None = None
) -> dict[str, float | None]:
    """Return each metric of predictions (n,) or (n, 1), or probabilities (n, k); None: undefined.

    `chosen`: the metrics, of which those of the task count; None for all there are.
    """
    modules = metrics(task) if chosen is None else {m.name: m.module for m in chosen}
    given = np.asarray(prediction if task == "classification" else np.ravel(prediction), np.float64)
    values = {n: float(m.score(y, given)) for n, m in modules.items() if task == m.TASK}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
