"""The value of the same step a season ago: what a forecast of what has a season must beat.

A season is `features.forecast.season` steps: a day, of daily steps a week. The context must hold
one.
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
    """The seasonal naive forecast has no parameters."""


def fit(data: FitData, params: Params, context: FitContext) -> Naive:
    """Return the forecast, with the quantiles of its errors at each step.

    Raises:
        DataError: the context does not hold a season.
    """
    sequence = of(data.sequence)
    back = sequence.season * np.ceil(sequence.ahead / sequence.season).astype(int)
    return naive.fit(data, sequence, sequence.context - 1 + sequence.ahead - back)


def importances(model: Naive) -> None:
    """Return None: values are repeated."""


def curves(model: Naive) -> dict[str, list[float]]:
    """Return no curves: nothing is iterated."""
    return {}
