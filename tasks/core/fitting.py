"""What a model plugin is given to fit: the data and the circumstances."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tasks.core.schema import Task


@dataclass(frozen=True)
class FitData:
    """Training rows, and the rows kept for early stopping.

    X: (n, feature) float32, no NaN; y: (n,) float64, or int64 class indices 0..n_classes-1;
    X_stop, y_stop: likewise, never among the rows fitted on; image_shape: (height, width, channel)
    where a row of X is a flattened image.
    """

    X: np.ndarray
    y: np.ndarray
    X_stop: np.ndarray
    y_stop: np.ndarray
    task: Task
    n_classes: int = 0
    image_shape: tuple[int, int, int] | None = None
    feature_names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class FitContext:
    """Seed, thread count, device (`cpu` or `cuda`), and where a killed training may go on from."""

    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    checkpoint: Path | None = None
