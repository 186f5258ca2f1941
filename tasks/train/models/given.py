"""A model that was fitted elsewhere: a file of ONNX, XGBoost, LightGBM, scikit-learn or torch.

Nothing is fitted: the file is checked and goes through compression, benchmark and recommendation as
any model does. Its one input are the table's feature columns in their order (recipe `raw`); class i
is the i-th label in sorted order. Not for graphs of several inputs, nor for images.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tasks.core.fitting import FitContext, FitData
from tasks.core.plugins import PluginParams
from tasks.train.foreign import reading

TASKS = ("regression", "classification")
LIBRARIES = (
    *("numpy", "onnx", "onnxruntime", "xgboost", "xgboost-cpu", "lightgbm"),
    *("scikit-learn", "skops", "torch"),
)
NEEDS_IMAGE = False
LEARNS = False


class Params(PluginParams):
    """Which file."""

    path: str = Field(default="", description="the model's file; relative to the project")
    sha256: str = Field(default="", description="of that file: another file is another model")


@dataclass(frozen=True)
class Given:
    """The graph X (N, feature) -> prediction, as bytes, and what it was made of."""

    task: str
    content: bytes
    origin: str


def fit(data: FitData, params: Params, context: FitContext) -> Given:
    """Return the model of the file.

    Raises:
        ParamsError: the file is not there or not the one meant, or does not suit the table.
    """
    where = "train.models.given.path"
    content, path = reading.content_of(params.path, params.sha256, where)
    graph = reading.graph_of(content, path, data, where)
    return Given(data.task, graph.SerializeToString(deterministic=True), path.name)


def predict(model: Given, X: np.ndarray) -> np.ndarray:
    """Return (n,) values or (n, k) probabilities, float64."""
    found = reading.outputs(model.content, X)
    return found if model.task == "classification" else found[:, 0]


def save(model: Given, folder: Path) -> None:
    """Write `model.onnx` and `model.json`."""
    (folder / "model.onnx").write_bytes(model.content)
    facts = {"task": model.task, "origin": model.origin}
    (folder / "model.json").write_text(json.dumps(facts, sort_keys=True))


def load(folder: Path) -> Given:
    """Return the saved model."""
    facts = json.loads((folder / "model.json").read_text())
    return Given(facts["task"], (folder / "model.onnx").read_bytes(), facts["origin"])


def to_onnx(model: Given) -> Any:
    """Return the graph."""
    import onnx

    return onnx.load_model_from_string(model.content)


def importances(model: Given) -> None:
    """Return None: the file does not say."""


def curves(model: Given) -> dict[str, list[float]]:
    """Return no curves: nothing was fitted here."""
    return {}


def facts(model: Given) -> dict[str, Any]:
    """Return where it comes from."""
    return {"estimator": f"given: {model.origin}"}
