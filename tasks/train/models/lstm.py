"""An LSTM that sums up the past (Hochreiter & Schmidhuber 1997), and a small network for each step.

The steps ahead are foretold from the sum and from what is known of each of them, side by side (Wen
et al. 2017, arXiv 1711.11053). Not for pasts of thousands of steps, which it goes through one by
one, nor for a few hundred windows.
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

    depth: int = Field(default=1, ge=1, le=4, description="LSTMs, one on another")


_family = forecasts.Family("lstm", ("width", "depth", "dropout"))
fit, tune, load = _family.fit, _family.tune, _family.load
