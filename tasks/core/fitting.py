"""What a model plugin is given to fit: the data and the circumstances."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tasks.core.prepared import Meta, Prepared
from tasks.core.schema import Task
from tasks.core.sequence import Sequence


@dataclass(frozen=True)
class FitData:
    """Training rows, and the rows kept for early stopping.

    X: (n, feature) float32, no NaN; y: (n,) float64, or int64 class indices 0..n_classes-1, or
    (n, horizon) float64; X_stop, y_stop: likewise, never among the rows fitted on; image_shape:
    (height, width, channel) where a row of X is a flattened image; sequence: what its windows are
    where it is a forecast's; classes: the label of each class index, where they are known.
    """

    X: np.ndarray
    y: np.ndarray
    X_stop: np.ndarray
    y_stop: np.ndarray
    task: Task
    n_classes: int = 0
    image_shape: tuple[int, int, int] | None = None
    feature_names: list[str] = field(default_factory=list)
    sequence: Sequence | None = None
    classes: list[str] = field(default_factory=list)


def divided(
    X: np.ndarray, y: np.ndarray, stop: np.ndarray, meta: Meta, feature_names: list[str]
) -> FitData:
    """Return what a model is fitted on: rows where `stop` is 0, and those where it is 1."""
    fitted, kept = stop == 0, stop == 1
    return FitData(
        X=X[fitted],
        y=y[fitted],
        X_stop=X[kept],
        y_stop=y[kept],
        task=meta.task,
        n_classes=len(meta.classes or ()),
        image_shape=meta.image_shape,
        sequence=meta.sequence,
        feature_names=feature_names,
        classes=meta.classes or [],
    )


def training_data(prepared: Prepared) -> FitData:
    """Return the training part, divided into rows to fit on and rows to stop early by."""
    meta = prepared.meta
    return divided(
        prepared.X("train"), prepared.y("train"), prepared.stop, meta, meta.feature_names
    )


@dataclass(frozen=True)
class FitContext:
    """Seed, thread count, device (`cpu` or `cuda`), where a killed training may go on from, and
    how many pieces a batch is worked on in: more than 1 after an out-of-memory.
    """

    seed: int = 0
    threads: int = 1
    device: str = "cpu"
    checkpoint: Path | None = None
    pieces: int = 1
