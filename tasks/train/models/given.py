"""A model that was fitted elsewhere: a file of ONNX, XGBoost, LightGBM, scikit-learn or torch.

Nothing is fitted: the file is checked and goes through compression, benchmark and recommendation as
any model does. Its one input are the table's feature columns in their order (recipe `raw`), or an
input each, by name; class i is the i-th label in sorted order. Not for columns of text, nor images.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tasks.core import tree_graph
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
REFUSES = dict.fromkeys(  # techniques that do not fit, and why
    ("prune_structured", "prune_unstructured", "sparse_2_4", "low_rank", "qat"),
    "it fits a model further or anew; a file says how to predict, not how to fit",
)


class Params(PluginParams):
    """Which file."""

    path: str = Field(default="", description="the model's file; relative to the project")
    sha256: str = Field(default="", description="of that file, weights in files of their own in it")


@dataclass(frozen=True)
class Given:
    """The graph X (N, feature) -> prediction, as bytes, and what it was made of.

    rounds, averaged: of its trees, see `tasks.train.foreign.checking.Read`.
    """

    task: str
    content: bytes
    origin: str
    rounds: int = 0
    averaged: bool = False


def fit(data: FitData, params: Params, context: FitContext) -> Given:
    """Return the model of the file.

    Raises:
        ParamsError: the file is not there or not the one meant, or does not suit the table.
    """
    where = "train.models.given.path"
    content, path = reading.content_of(params.path, params.sha256, where)
    read = reading.graph_of(content, path, data, where)
    origin = f"{path.name}, {read.note}" if read.note else path.name
    return Given(data.task, _bytes(read.graph), origin, read.rounds, read.averaged)


def predict(model: Given, X: np.ndarray) -> np.ndarray:
    """Return (n,) values or (n, k) probabilities, float64."""
    found = reading.outputs(model.content, X)
    return found if model.task == "classification" else found[:, 0]


def save(model: Given, folder: Path) -> None:
    """Write `model.onnx` and `model.json`."""
    (folder / "model.onnx").write_bytes(model.content)
    facts = {name: value for name, value in vars(model).items() if name != "content"}
    (folder / "model.json").write_text(json.dumps(facts, sort_keys=True))


def load(folder: Path) -> Given:
    """Return the saved model."""
    facts = json.loads((folder / "model.json").read_text())
    return Given(content=(folder / "model.onnx").read_bytes(), **facts)


def truncate(model: Given, share: float) -> Given | None:
    """Return the model of the first `share` of the rounds, or of the trees of a forest; None where
    the file does not say which trees make a round.
    """
    if not model.rounds:
        return None
    kept = max(1, round(share * model.rounds))
    graph = to_onnx(model)
    trees, width = tree_graph.from_onnx(tree_graph.node_of(graph.graph))
    cut = trees.first(len(trees.target) * kept // model.rounds)
    if model.averaged:
        cut = replace(cut, values=cut.values * np.float32(model.rounds / kept))
    made = tree_graph.with_trees(graph, cut, width)
    return replace(model, content=_bytes(made), rounds=kept)


def _bytes(graph: Any) -> bytes:
    return graph.SerializeToString(deterministic=True)


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
