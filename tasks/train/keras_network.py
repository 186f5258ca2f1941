"""A keras.Model as the networks of Temper are. Torch is imported here: import it in functions."""

import logging
import threading
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from tasks.core.graph import OPSET

TINY = 1e-7  # the smallest probability


class KerasNetwork(nn.Module):
    """X (n, feature) -> what the loop that fits networks wants of a keras.Model on torch.

    Of probabilities their logarithms, which are logits too; of values those standardised by the
    target's mean `offset` and spread `scale`.
    """

    def __init__(self, model: Any, task: str, offset: float, scale: float) -> None:
        super().__init__()
        self.model = model
        self.logits = task == "classification"
        self.offset, self.scale = offset, scale

    def forward(self, X: Tensor) -> Tensor:
        found = self.model(X, training=self.training)
        return found.clamp_min(TINY).log() if self.logits else (found - self.offset) / self.scale


class Prediction(nn.Module):
    """X (n, feature) -> the prediction of a keras.Model on torch, as it gives it."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, X: Tensor) -> Tensor:
        return self.model(X, training=False)


def to_onnx(module: nn.Module, features: int, output: str) -> Any:
    """Return the onnx.ModelProto of a module, by torch's exporter: X (N, feature) -> `output`."""
    from torch.onnx._internal.exporter import _registration  # its logger exists from here on
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())  # torch's progress bar makes one that outlives a child
    logger = logging.getLogger(_registration.__name__)
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns that torchvision is not here
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what torch 2.13 calls old in itself
            program = torch.onnx.export(
                module.eval(),
                (torch.zeros(2, features),),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("N")},),
                input_names=["X"],
                output_names=[output],
                opset_version=OPSET,
                verbose=False,
            )
    finally:
        logger.setLevel(level)
    assert program is not None
    return _in_eight_bits(program.model_proto)


def _in_eight_bits(model: Any) -> Any:
    """Store the weights that Keras rounded in 8 bits again: the exporter makes them 32-bit ones."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    for tensor in list(model.graph.initializer):
        if tensor.data_type != TensorProto.INT32 or len(tensor.dims) < 2:
            continue
        values = numpy_helper.to_array(tensor)
        if np.abs(values).max() <= 127:
            stored = f"{tensor.name}/int8"
            cast = helper.make_node("Cast", [stored], [tensor.name], stored, to=TensorProto.INT32)
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.int8), stored))
            model.graph.node.insert(0, cast)
    return model
