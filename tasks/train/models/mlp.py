"""A multi-layer perceptron on a piecewise linear encoding of the features.

Not for a few hundred rows, nor where seconds count: boosted trees are the better first choice on
tables. It pays where the exported graph must run on OpenVINO or TensorRT, or in eight bits.
"""

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tasks.core.fitting import FitContext, FitData
from tasks.core.plugins import PluginParams
from tasks.nets import architectures
from tasks.nets.fitting import Settings
from tasks.nets.state import Hooks
from tasks.nets.tuning import Objective, Tuning
from tasks.train import networks
from tasks.train.networks import Network, gpu_missing, predict, save, to_onnx, torch_module

__all__ = ["gpu_missing", "predict", "save", "to_onnx", "torch_module"]
TASKS = ("regression", "classification")
LIBRARIES = ("numpy", "safetensors", "torch")
NEEDS_IMAGE = False
CURVE_X = "epoch"
SPLITS = True  # after an out-of-memory it can work on a batch in pieces


class Params(PluginParams):
    """Size of the network, and how it is fitted."""

    width: int = Field(default=192, ge=1, le=8192, description="units of a hidden layer")
    depth: int = Field(default=2, ge=1, le=16, description="hidden layers")
    bins: int = Field(
        default=16, ge=0, le=256, description="quantile bins a feature; 0: plain features"
    )
    dropout: float = Field(
        default=0.1, ge=0, lt=1, description="share of units left out in training"
    )
    epochs: int = Field(default=40, ge=1, le=5000, description="passes over the rows, at most")
    batch_size: int = Field(default=256, ge=2, description="rows of a step")
    learning_rate: float = Field(
        default=2e-3, gt=0, description="at its highest, after the warm-up"
    )
    weight_decay: float = Field(default=1e-2, ge=0, description="of AdamW")
    patience: int = Field(default=12, ge=1, description="epochs without a better figure, then stop")


def fit(
    data: FitData, params: Params, context: FitContext, objective: Objective | None = None
) -> Network:
    """Return the network of the best epoch by the rows for early stopping.

    `objective`: the loss, where it is not the usual one.
    """
    outputs = 1 if data.task == "regression" else data.n_classes
    build = {
        "features": data.X.shape[1],
        "outputs": outputs,
        "width": params.width,
        "depth": params.depth,
        "bins": params.bins,
        "dropout": params.dropout,
    }

    def make() -> Any:
        return architectures.mlp(
            data.X, outputs, params.width, params.depth, params.bins, params.dropout
        )

    return networks.fit(data, context, _settings(params), make, build, Hooks(objective=objective))


def tune(
    model: Network, params: Params, data: FitData, context: FitContext, tuning: Tuning
) -> Network:
    """Return the network fitted further, as the params and `tuning` say."""
    return networks.tune(model, data, context, _settings(params), Hooks(), tuning)


def narrower(params: Params, share: float) -> Params:
    """Return the params of a network with that share of the units in each hidden layer."""
    return params.model_copy(update={"width": max(1, round(params.width * share))})


def _settings(params: Params) -> Settings:
    return Settings(
        epochs=params.epochs,
        batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        weight_decay=params.weight_decay,
        patience=params.patience,
    )


def _empty(features: int, **shape: Any) -> Any:
    return architectures.mlp(np.zeros((2, features), np.float32), **shape)


def load(folder: Path) -> Network:
    """Return the saved model."""
    return networks.load(folder, _empty)


def importances(model: Network) -> np.ndarray:
    """Return the share of each feature in the mean |gradient| x standard deviation, (feature,)."""
    return model.shares


def curves(model: Network) -> dict[str, list[float]]:
    """Return loss (and accuracy) by epoch."""
    return model.curves


def facts(model: Network) -> dict[str, Any]:
    """Return the best epoch, the epochs that were run, and the number of weights."""
    return model.facts
