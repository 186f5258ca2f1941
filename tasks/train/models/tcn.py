"""A temporal convolutional network (Bai et al. 2018, arXiv 1803.01271) that sums up the past, and a
small network for each step ahead.

All its weights are those of convolutions and linear layers: what INT8 and pruning are good for. Not
for a few hundred windows, nor where the past matters less than the time of day: trees learn that
sooner.
"""

from pydantic import Field

from tasks.train import forecasts
from tasks.train.forecasts import (
    curves,
    facts,
    importances,
    narrower,
    predict,
    to_onnx,
    torch_module,
    wants_own_past,
)
from tasks.train.networks import gpu_missing, save

__all__ = [
    "curves",
    "facts",
    "gpu_missing",
    "importances",
    "narrower",
    "predict",
    "save",
    "to_onnx",
    "torch_module",
    "wants_own_past",
]
TASKS = ("forecast",)
LIBRARIES = ("numpy", "safetensors", "torch")
NEEDS_IMAGE = False
CURVE_X = "epoch"
SPLITS = True  # after an out-of-memory it can work on a batch in pieces
CUTS = False  # channels cannot be taken out: torch-pruning does not follow them through time


class Params(forecasts.Params):
    """Size of the network, what it sees of a window, and how it is fitted."""

    kernel: int = Field(default=3, ge=2, le=16, description="steps that a convolution sees")


_family = forecasts.Family("tcn", ("width", "kernel", "dropout"))
fit, tune, load = _family.fit, _family.tune, _family.load
