"""VGG-16 for images (Simonyan & Zisserman 2015, arXiv 1409.1556), with batch normalisation.

Not for a first try: ResNet-18 reaches more with fewer weights. It compresses well.
"""

from functools import partial

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


_family = vision.Family("vgg16", partial(architectures.vgg, depth=16))
fit, tune, load = _family.fit, _family.tune, _family.load
