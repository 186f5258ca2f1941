"""A Keras model that was fitted elsewhere: a `.keras` file (extra `keras`).

The file is read without running code in it, on torch, and goes through compression, benchmark and
recommendation. Its one input are the table's feature columns in their order (recipe `raw`); class i
is the i-th label in sorted order. The parameters but path and sha256 are for techniques that fit it
further. Not for layers of your own, nor for images.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tasks.core.fitting import FitContext, FitData
from tasks.core.graph import output_name
from tasks.core.plugins import PluginParams
from tasks.nets.fitting import Settings, outputs_of
from tasks.nets.state import Hooks
from tasks.nets.tuning import Objective, Tuning
from tasks.train import keras_file, networks
from tasks.train.foreign import reading
from tasks.train.networks import Network

TASKS = ("regression", "classification")
LIBRARIES = ("numpy", "torch", "keras", "h5py", "onnxscript")
NEEDS_IMAGE = False
LEARNS = False
SAVES_CHANGED = False  # but the file as it was given
WHERE = "train.models.given_keras.path"
REFUSES = {  # techniques that do not fit, and why
    "prune_structured": "torch-pruning follows torch's own layers, not Keras's",
    "low_rank": "it takes torch's own linear layers apart, not Keras's",
    "sparse_2_4": "it knows the weights of torch's own layers, not Keras's",
    "qat": "Keras 3 has no quantisation-aware training (its `quantize` rounds fitted weights), and "
    "Temper's knows torch's own layers only",
}


class Params(PluginParams):
    """Which file, and how techniques fit it further."""

    path: str = Field(default="", description="the model's file; relative to the project")
    sha256: str = Field(default="", description="of that file: another file is another model")
    share: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="of the inner layers' units; below 1 a network of that size learns anew",
    )
    epochs: int = Field(default=60, ge=1, le=5000, description="passes over the rows, at most")
    batch_size: int = Field(default=32, ge=2, description="rows of a step")
    learning_rate: float = Field(default=2e-3, gt=0, description="at its highest")
    weight_decay: float = Field(default=0.0, ge=0, description="of AdamW")
    patience: int = Field(default=12, ge=1, description="epochs without a better figure, then stop")


def available() -> str | None:
    """Return None, or what is missing and how to install it."""
    return keras_file.missing()


def fit(
    data: FitData, params: Params, context: FitContext, objective: Objective | None = None
) -> Network:
    """Return the model of the file; or one with a `share` of its units, fitted on the data.

    Raises:
        ParamsError: the file is not there or not the one meant, or does not suit the table.
    """
    content, path = reading.content_of(params.path, params.sha256, WHERE)
    model = keras_file.load(content, WHERE)
    keras_file.check_ends(model, data.X.shape[1], WHERE)
    found = outputs_of(_predicting(model), data.X[: reading.ROWS])
    ending = reading.ending(found, data, WHERE)
    offset, scale = 0.0, 1.0
    if data.task == "regression":
        offset, scale = float(data.y.mean()), float(data.y.std()) or 1.0
    build = {"content": content, "ending": ending, "origin": path.name}
    model = keras_file.ended(model, ending)
    if params.share == 1:
        return _network(model, data.task, data.X.shape[1], offset, scale, build)

    def make() -> Any:
        small = keras_file.narrower(model, params.share, scale, offset, context.seed)
        return _module(small, data.task, offset, scale)

    hooks = Hooks(objective=objective)
    return networks.fit(data, context, _settings(params), make, build, hooks)


def tune(
    model: Network, params: Params, data: FitData, context: FitContext, tuning: Tuning
) -> Network:
    """Return the network fitted further, as the params and `tuning` say."""
    return networks.tune(model, data, context, _settings(params), Hooks(), tuning)


def narrower(params: Params, share: float) -> Params:
    """Return the params of a network with that share of the units in each inner layer."""
    return params.model_copy(update={"share": params.share * share})


def predict(model: Network, X: np.ndarray) -> np.ndarray:
    """Return (n,) values or (n, k) probabilities, float64."""
    found = outputs_of(torch_module(model), X)
    return found if model.task == "classification" else found[:, 0]


def save(model: Network, folder: Path) -> None:
    """Write `model.keras`, the file as it was given, and `model.json`."""
    (folder / "model.keras").write_bytes(model.build["content"])
    facts = {name: getattr(model, name) for name in ("task", "features", "offset", "scale")}
    facts |= {name: model.build[name] for name in ("ending", "origin")}
    (folder / "model.json").write_text(json.dumps(facts, sort_keys=True))


def load(folder: Path) -> Network:
    """Return the saved model."""
    facts = json.loads((folder / "model.json").read_text())
    content = (folder / "model.keras").read_bytes()
    build = {"content": content, **{name: facts.pop(name) for name in ("ending", "origin")}}
    model = keras_file.ended(keras_file.load(content, str(folder)), build["ending"])
    return _network(model, **facts, build=build)


def to_onnx(model: Network) -> Any:
    """Return the graph, by torch's exporter."""
    from tasks.train import keras_network

    return keras_network.to_onnx(torch_module(model), model.features, output_name(model.task))


def to_keras(model: Network) -> bytes:
    """Return the content of a `.keras` file of the model as it is now, X -> prediction."""
    return keras_file.content_of(model.module.model)


def quantised(model: Network) -> Any:
    """Return a copy of the network, rounded by Keras's own `quantize`; None: it rounds no layer."""
    made = keras_file.quantised(keras_file.load(to_keras(model), WHERE))
    return None if made is None else _module(made, model.task, model.offset, model.scale)


def torch_module(model: Network) -> Any:
    """Return a torch.nn.Module from X to what `to_onnx`'s graph gives, in evaluation mode."""
    return _predicting(model.module.model)


def importances(model: Network) -> None:
    """Return None: the file does not say."""


def curves(model: Network) -> dict[str, list[float]]:
    """Return no curves: nothing was fitted here."""
    return {}


def facts(model: Network) -> dict[str, Any]:
    """Return where it comes from, and the number of its weights."""
    return model.facts


def _network(
    model: Any, task: str, features: int, offset: float, scale: float, build: dict[str, Any]
) -> Network:
    facts = {"estimator": f"Keras: {build['origin']}", "weights": model.count_params()}
    module = _module(model, task, offset, scale)
    return Network(task, module, features, offset, scale, build, {}, np.zeros(features), facts)


def _predicting(model: Any) -> Any:
    from tasks.train.keras_network import Prediction

    return Prediction(model).eval()


def _module(model: Any, task: str, offset: float, scale: float) -> Any:
    from tasks.train.keras_network import KerasNetwork

    return KerasNetwork(model, task, offset, scale).eval()


def _settings(params: Params) -> Settings:
    return Settings(
        epochs=params.epochs,
        batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        weight_decay=params.weight_decay,
        patience=params.patience,
    )
