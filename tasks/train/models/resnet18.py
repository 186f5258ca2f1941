"""ResNet-18 for images (He et al. 2016, arXiv 1512.03385), fitted on shifted and mirrored copies.

Not for a few hundred images, nor for those that a mirror changes, like digits (`flip: false`).
"""

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


_family = vision.Family("resnet18", architectures.resnet18)
fit, tune, load = _family.fit, _family.tune, _family.load
