"""The mean of several models' forecasts, quantile by quantile, calibrated together.

Models that err differently err less together (Bates & Granger 1969, "The combination of
forecasts"). Fits, weighs and takes as long as its members do; not for members that are alike.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from pydantic import Field, ValidationError, field_validator

from tasks.core import progress
from tasks.core.fitting import FitContext, FitData
from tasks.core.graph import Graph, matrix, output_name
from tasks.core.params import explain
from tasks.core.plugins import PluginParams, unknown
from tasks.core.sequence import Sequence, of
from tasks.train import arrays, conformal, window_trees
from tasks.train.models import climatology, light_gbm, lstm, tcn, tft, xg_boost

# By import, so that a change in a member's code is one in this model's.
MEMBERS: dict[str, ModuleType] = {
    "climatology": climatology,
    "light_gbm": light_gbm,
    "lstm": lstm,
    "tcn": tcn,
    "tft": tft,
    "xg_boost": xg_boost,
}
TASKS = ("forecast",)
LIBRARIES = ("numpy", "safetensors", "lightgbm", "torch", "xgboost")
NEEDS_IMAGE = False


class Params(PluginParams):
    """The members, each with its own params."""

    members: dict[str, dict[str, Any]] = Field(
        default={"light_gbm": {}, "lstm": {}},
        min_length=2,
        description=f"params by model, of {', '.join(MEMBERS)}",
    )

    @field_validator("members")
    @classmethod
    def _known(cls, members: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        problems = []
        for name, params in members.items():
            if name not in MEMBERS:
                problems.append(unknown(f"member {name!r}", name, tuple(MEMBERS)))
                continue
            try:
                MEMBERS[name].Params(**params)
            except ValidationError as error:
                problems += explain(error, MEMBERS[name].Params, name)
        if problems:
            raise ValueError("\n".join(problems))
        return members


def wants_own_past(params: Params) -> str | None:
    """Return why a member wants to see the target's own past; None: none does."""
    for name, own in params.members.items():
        wants = getattr(MEMBERS[name], "wants_own_past", None)
        if wants and (reason := wants(MEMBERS[name].Params(**own))):
            return f"{name}: {reason}"
    return None


@dataclass(frozen=True)
class Average:
    """members: the fitted models by name; offsets: (horizon, quantile) float64, added to the mean
    of their quantiles.
    """

    sequence: Sequence
    members: dict[str, Any]
    offsets: np.ndarray


def fit(data: FitData, params: Params, context: FitContext) -> Average:
    """Return the members' mean, calibrated on the rows for early stopping."""
    sequence, members = of(data.sequence), {}
    for at, (name, own) in enumerate(params.members.items()):
        module, count = MEMBERS[name], len(params.members)
        checkpoint = context.checkpoint / name if context.checkpoint else None
        device = "cuda" if context.device == "cuda" and _on_gpu(module) else "cpu"
        place = replace(context, checkpoint=checkpoint, device=device)
        with progress.within(at / count, (at + 1) / count, name):
            members[name] = module.fit(data, module.Params(**own), place)
    zero = np.zeros((sequence.horizon, len(sequence.quantiles)))
    model = Average(sequence, members, zero)
    found = predict(model, data.X_stop)
    return replace(model, offsets=conformal.offsets(data.y_stop, found, sequence.quantiles))


def predict(model: Average, X: np.ndarray) -> np.ndarray:
    """Return the quantiles, (n, horizon, quantile) float64, ascending."""
    found = np.mean([MEMBERS[name].predict(m, X) for name, m in model.members.items()], axis=0)
    return conformal.ascending(found + model.offsets, model.sequence.median)


def to_onnx(model: Average) -> Any:
    """Return the graph: X -> every member's quantiles -> their mean, (N, horizon x quantile)."""
    graph, sequence = Graph(), model.sequence
    each = [
        graph.include(MEMBERS[name].to_onnx(member), f"{name}_")
        for name, member in model.members.items()
    ]
    shape = graph.constant([-1, sequence.horizon, len(sequence.quantiles)], np.int64)
    mean = graph.add("Reshape", graph.add("Mean", *each), shape)
    last = window_trees.ascending(graph, mean, model.offsets, sequence)
    inputs = matrix(len(sequence.feature_names))
    return graph.model(inputs, last, output_name("forecast"), sequence.outputs)


def save(model: Average, folder: Path) -> None:
    """Write each member into a folder of its own, and what they share."""
    for name, member in model.members.items():
        (folder / name).mkdir()
        MEMBERS[name].save(member, folder / name)
    sequence = json.loads(model.sequence.model_dump_json())
    facts = {"sequence": sequence, "members": list(model.members)}
    arrays.save(folder, {"offsets": model.offsets}, facts)


def load(folder: Path) -> Average:
    """Return the saved model."""
    numbers, facts = arrays.load(folder)
    members = {name: MEMBERS[name].load(folder / name) for name in facts["members"]}
    return Average(Sequence(**facts["sequence"]), members, numbers["offsets"])


def importances(model: Average) -> np.ndarray:
    """Return the mean of the members' shares of each feature, (feature,)."""
    return np.mean([MEMBERS[n].importances(m) for n, m in model.members.items()], axis=0)


def curves(model: Average) -> dict[str, list[float]]:
    """Return no curves: those of members have different steps."""
    return {}


def facts(model: Average) -> dict[str, Any]:
    """Return the members' facts."""
    return {name: MEMBERS[name].facts(member) for name, member in model.members.items()}


def gpu_missing() -> str | None:
    """Return None where a member can use the GPU; the others run on the CPU all the same."""
    if any(map(_on_gpu, MEMBERS.values())):
        return None
    return lstm.gpu_missing()


def _on_gpu(module: ModuleType) -> bool:
    return hasattr(module, "gpu_missing") and module.gpu_missing() is None
