"""MobileNetV2 for images (Sandler et al. 2018, arXiv 1801.04381): few weights, few multiplications.

Not for the best accuracy; and its convolutions of single channels lose more by INT8 than others.
"""

from pydantic import Field

from tasks.nets import architectures
from tasks.train import vision
from tasks.train.networks import gpu_missing, predict, save, to_onnx, torch_module
from tasks.train.vision import curves, facts, importances, narrower

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
]
TASKS = ("regression", "classification")
LIBRARIES = ("numpy", "safetensors", "torch")
NEEDS_IMAGE = True
CURVE_X = "epoch"
SPLITS = True  # after an out-of-memory it can work on a batch in pieces


class Params(vision.Natural):
    """Size of the network, how images are moved, and how it is fitted."""

    width: int = Field(default=32, ge=1, le=1024, description="channels of the first stage")


_family = vision.Family("mobilenet_v2", architectures.mobilenet_v2)
fit, tune, load = _family.fit, _family.tune, _family.load
