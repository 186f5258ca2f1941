"""The Temporal Fusion Transformer (Lim et al. 2021, arXiv 1912.09363): it says what it looks at.

Which variables count, and which steps of the past, is among its facts. Not where seconds of fitting
count: it takes ten times as long as an LSTM of its width, and wants some thousand windows.
"""

from typing import Self

from pydantic import Field, model_validator

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

    heads: int = Field(default=2, ge=1, le=16, description="of attention; they divide the width")
    epochs: int = Field(default=5, ge=1, le=5000, description="passes over the windows, at most")
    batch_size: int = Field(default=64, ge=2, description="windows of a step")
    learning_rate: float = Field(default=2e-3, gt=0, description="at its highest")
    patience: int = Field(default=3, ge=1, description="epochs without a better figure, then stop")

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width: a multiple of heads ({self.heads}), found {self.width}")
        return self


_family = forecasts.Family("tft", ("width", "heads", "dropout"))
fit, tune, load = _family.fit, _family.tune, _family.load
