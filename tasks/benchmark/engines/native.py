"""The model's own library (scikit-learn, XGBoost, LightGBM, torch) on prepared rows.

It starts from the matrix X: the preparation is not in its latency, as it is in that of a graph. Not
for comparing a compressed variant: only the fitted model itself runs here.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.benchmark.subject import Rows, Subject
from tasks.core.plugins import PluginParams

LIBRARIES = ("scikit-learn", "xgboost-cpu", "xgboost", "lightgbm", "torch", "numpy")
DEVICE = "any"
NOTE = "without preparation"


class Params(PluginParams):
    """No parameters."""


@dataclass
class Native:
    """A fitted model as its plugin predicts with it."""

    model: Any
    plugin: Any

    def feed(self, rows: Rows) -> np.ndarray:
        return np.ascontiguousarray(rows.X)

    def run(self, feed: np.ndarray) -> np.ndarray:
        return self.plugin.predict(self.model, feed)

    def nodes(self) -> None:
        return None


def available() -> str | None:
    """Return None: where a model was fitted, its library is."""
    return None


def supports(subject: Subject) -> str | None:
    """Return None for the fitted model itself."""
    return None if subject.is_original else "a compressed graph: the model's library cannot run it"


def load(subject: Subject, params: Params, device: str, threads: int) -> Native:
    """Return the fitted model, loaded by its plugin."""
    return Native(subject.plugin.load(subject.fitted), subject.plugin)
