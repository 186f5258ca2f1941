"""Every metric of a task, on predictions."""

import math
from types import ModuleType

import numpy as np

from tasks.core.plugins import names, plugin
from tasks.core.schema import Task

PRIMARY: dict[Task, str] = {"regression": "rmse", "classification": "accuracy"}


def metrics(task: Task) -> dict[str, ModuleType]:
    """Return the metric plugins of a task, by name."""
    found = {name: plugin("metric", name) for name in names("metric")}
    return {name: module for name, module in found.items() if task == module.TASK}


def scores(task: Task, y: np.ndarray, prediction: np.ndarray) -> dict[str, float | None]:
    """Return each metric of predictions (n,) or probabilities (n, k); None where undefined."""
    values = {name: module.score(y, prediction) for name, module in metrics(task).items()}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
