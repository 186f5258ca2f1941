"""What the plugins of image networks share: parameters, and fits on moved copies of the images."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tasks.core.errors import ParamsError
from tasks.core.fitting import FitContext, FitData
from tasks.core.plugins import PluginParams
from tasks.nets import augment
from tasks.nets.fitting import Settings
from tasks.nets.state import Hooks
from tasks.nets.tuning import Objective, Tuning
from tasks.train import networks, pretrained
from tasks.train.networks import Network

SMALLEST = 8  # pixels a side


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
    flip: bool = Field(
        default=False, description="mirror half of the training images, left to right"
    )
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
    weights: str | None = Field(
        default=None,
        description="a .safetensors file that the fit starts from, a fitted model's or "
        "torchvision's; null: from nothing",
    )
    weights_sha256: str | None = Field(
        default=None, description="of that file: another file is another model"
    )

    @property
    def settings(self) -> Settings:
        """Return how it is fitted."""
        return Settings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
            label_smoothing=self.label_smoothing,
        )

    def hooks(self, shape: tuple[int, int, int]) -> Hooks:
        """Return what moves the images of a batch, where it is asked for."""
        if not (self.shift or self.turn or self.zoom or self.flip):
            return Hooks()

        def move(X: Any, generator: Any) -> Any:
            if self.flip:
                X = augment.mirrored(X, shape, generator)
            if not (self.shift or self.turn or self.zoom):
                return X
            return augment.affine(X, shape, generator, self.shift, self.turn, self.zoom)

        return Hooks(move)


class Natural(Params):
    """For photographs: shifted and mirrored, not turned."""

    width: int = Field(default=64, ge=1, le=1024, description="channels of the first stage")
    shift: float = Field(
        default=3.0, ge=0, description="largest shift of a training image, in pixels"
    )
    turn: float = Field(default=0.0, ge=0, le=180, description="largest turn, in degrees")
    flip: bool = Field(default=True, description="mirror half of the images, left to right")
    learning_rate: float = Field(default=2e-3, gt=0, description="at its highest")


@dataclass(frozen=True)
class Family:
    """The networks that one function builds: (X, shape, outputs, width, dropout) -> Sequential."""

    name: str
    build: Callable[..., Any]

    def fit(
        self,
        data: FitData,
        params: Params,
        context: FitContext,
        objective: Objective | None = None,
    ) -> Network:
        """Return the network of the best epoch by the rows for early stopping.

        `objective`: the loss, where it is not the usual one.

        Raises:
            ParamsError: the features are not an image of 8x8 pixels or more, or the file of
            `weights` is not the one meant.
        """
        shape = self._shape(data)
        outputs = 1 if data.task == "regression" else data.n_classes
        build = {
            "shape": list(shape),
            "outputs": outputs,
            "width": params.width,
            "dropout": params.dropout,
        }

        def make() -> Any:
            module = self.build(data.X, shape, outputs, params.width, params.dropout)
            if params.weights:
                path, sha256 = Path(params.weights), params.weights_sha256
                started["started_from"] = pretrained.start_from(module, path, sha256, self.name)
            return module

        started: dict[str, Any] = {}
        hooks = replace(params.hooks(shape), objective=objective)
        model = networks.fit(data, context, params.settings, make, build, hooks)
        return replace(model, facts=model.facts | started)

    def tune(
        self,
        model: Network,
        params: Params,
        data: FitData,
        context: FitContext,
        tuning: Tuning,
    ) -> Network:
        """Return the network fitted further, as the params and `tuning` say."""
        hooks = params.hooks(self._shape(data))
        return networks.tune(model, data, context, params.settings, hooks, tuning)

    def load(self, folder: Path) -> Network:
        """Return the saved model."""

        def empty(shape: list[int], **rest: Any) -> Any:
            X = np.zeros((2, int(np.prod(shape))), np.float32)
            return self.build(X, tuple(shape), **rest)

        return networks.load(folder, empty)

    def _shape(self, data: FitData) -> tuple[int, int, int]:
        shape = data.image_shape
        if shape is None or min(shape[:2]) < SMALLEST:
            raise ParamsError(
                f"train.models.{self.name}: needs images of 8x8 pixels or more, found "
                f"{shape or 'a table'}; remove it from train.models"
            )
        return shape


def narrower(params: Params, share: float) -> Params:
    """Return the params of a network with that share of the channels, fitted from nothing."""
    width = max(1, round(params.width * share))
    return params.model_copy(update={"width": width, "weights": None, "weights_sha256": None})


def importances(model: Network) -> np.ndarray:
    """Return the share of each pixel in the mean |gradient| x standard deviation, (feature,)."""
    return model.shares


def curves(model: Network) -> dict[str, list[float]]:
    """Return loss (and accuracy) by epoch."""
    return model.curves


def facts(model: Network) -> dict[str, Any]:
    """Return the best epoch, epochs run, the number of weights, and what the fit started from."""
    return model.facts
