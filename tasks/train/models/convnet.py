"""A small residual network for images (He et al. 2016, arXiv 1512.03385), fitted on moved copies.

Not for tables, nor for images where a shift or a turn changes the answer (set them to 0 there).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tasks.core.errors import ParamsError
from tasks.core.fitting import FitContext, FitData
from tasks.core.plugins import PluginParams
from tasks.nets import architectures, augment
from tasks.nets.fitting import Hooks, Settings
from tasks.nets.tuning import Objective, Tuning
from tasks.train import networks
from tasks.train.networks import Network, gpu_missing, predict, save, to_onnx, torch_module

__all__ = ["gpu_missing", "predict", "save", "to_onnx", "torch_module"]
TASKS = ("regression", "classification")
LIBRARIES = ("numpy", "safetensors", "torch")
NEEDS_IMAGE = True
CURVE_X = "epoch"
SPLITS = True  # after an out-of-memory it can work on a batch in pieces


class Params(PluginParams):
    """Size of the network, how images are moved, and how it is fitted."""

    width: int = Field(default=32, ge=1, le=1024, description="channels of the first stage")
    dropout: float = Field(
        default=0.1, ge=0, lt=1, description="share of features left out in training"
    )
    shift: float = Field(
        default=1.0, ge=0, description="largest shift of a training image, in pixels"
    )
    turn: float = Field(default=10.0, ge=0, le=180, description="largest turn, in degrees")
    zoom: float = Field(default=0.1, ge=0, lt=1, description="largest change of size, as a share")
    epochs: int = Field(default=15, ge=1, le=5000, description="passes over the images, at most")
    batch_size: int = Field(default=64, ge=2, description="images of a step")
    learning_rate: float = Field(
        default=4e-3, gt=0, description="at its highest, after the warm-up"
    )
    weight_decay: float = Field(default=5e-2, ge=0, description="of AdamW")
    label_smoothing: float = Field(
        default=0.05, ge=0, lt=1, description="share spread over all classes"
    )
    patience: int = Field(default=10, ge=1, description="epochs without a better figure, then stop")


def fit(
    data: FitData, params: Params, context: FitContext, objective: Objective | None = None
) -> Network:
    """Return the network of the best epoch by the rows for early stopping.

    `objective`: the loss, where it is not the usual one.

    Raises:
        ParamsError: the features are not an image of 8x8 pixels or more.
    """
    shape = _shape(data)
    outputs = 1 if data.task == "regression" else data.n_classes
    build = {
        "shape": list(shape),
        "outputs": outputs,
        "width": params.width,
        "dropout": params.dropout,
    }

    def make() -> Any:
        return architectures.convnet(data.X, shape, outputs, params.width, params.dropout)

    hooks = Hooks(_moves(params, shape), objective)
    return networks.fit(data, context, _settings(params), make, build, hooks)


def tune(
    model: Network, params: Params, data: FitData, context: FitContext, tuning: Tuning
) -> Network:
    """Return the network fitted further, as the params and `tuning` say."""
    hooks = Hooks(_moves(params, _shape(data)))
    return networks.tune(model, data, context, _settings(params), hooks, tuning)


def narrower(params: Params, share: float) -> Params:
    """Return the params of a network with that share of the channels in each stage."""
    return params.model_copy(update={"width": max(1, round(params.width * share))})


def _shape(data: FitData) -> tuple[int, int, int]:
    shape = data.image_shape
    if shape is None or min(shape[:2]) < 8:
        raise ParamsError(
            f"train.models.convnet: needs images of 8x8 pixels or more, found "
            f"{shape or 'a table'}; remove it from train.models"
        )
    return shape


def _settings(params: Params) -> Settings:
    return Settings(
        epochs=params.epochs,
        batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        weight_decay=params.weight_decay,
        patience=params.patience,
        label_smoothing=params.label_smoothing,
    )


def _moves(params: Params, shape: tuple[int, int, int]) -> Callable[[Any, Any], Any] | None:
    """Return what moves the images of a batch, where params ask for it."""
    if not (params.shift or params.turn or params.zoom):
        return None
    return lambda X, generator: augment.affine(
        X, shape, generator, params.shift, params.turn, params.zoom
    )


def _empty(shape: list[int], **rest: Any) -> Any:
    return architectures.convnet(
        np.zeros((2, int(np.prod(shape))), np.float32), (shape[0], shape[1], shape[2]), **rest
    )


def load(folder: Path) -> Network:
    """Return the saved model."""
    return networks.load(folder, _empty)


def importances(model: Network) -> np.ndarray:
    """Return the share of each pixel in the mean |gradient| x standard deviation, (feature,)."""
    return model.shares


def curves(model: Network) -> dict[str, list[float]]:
    """Return loss (and accuracy) by epoch."""
    return model.curves


def facts(model: Network) -> dict[str, Any]:
    """Return the best epoch, the epochs that were run, and the number of weights."""
    return model.facts
