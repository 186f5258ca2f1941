"""The last value goes on: what any forecast must beat where a series moves slowly.

Not for a horizon of many steps of what has a season: see `seasonal_naive`.
"""

import numpy as np

from tasks.core.fitting import FitContext, FitData
from tasks.core.plugins import PluginParams
from tasks.core.sequence import of
from tasks.train import naive
from tasks.train.naive import Naive, load, predict, save, to_onnx, wants_own_past

__all__ = ["load", "predict", "save", "to_onnx", "wants_own_past"]
TASKS = ("forecast",)
LIBRARIES = ("numpy", "safetensors")
NEEDS_IMAGE = False


class Params(PluginParams):
    """Persistence has no parameters."""


def fit(data: FitData, params: Params, context: FitContext) -> Naive:
    """Return the forecast, with the quantiles of its errors at each step."""
    sequence = of(data.sequence)
    return naive.fit(data, sequence, np.full(sequence.horizon, sequence.context - 1))


def importances(model: Naive) -> None:
    """Return None: one value is repeated."""


def curves(model: Naive) -> dict[str, list[float]]:
    """Return no curves: nothing is iterated."""
    return {}
