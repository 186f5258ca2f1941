"""A smaller model that learns from the fitted one as well as from the data.

Hinton et al. 2015 (arXiv 1503.02531). A network is narrower and learns from the teacher's outputs;
an ensemble has fewer trees, or hands on to a small network (`into`), and either learns from targets
that the teacher gave. One of the same size that learnt from the data alone stands beside it in the
certificate (`alone`): the teacher is worth the difference. Not for a model that is not much better
than such a small one, nor where training data is short of the real rows.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from tasks.compress import graphs, networks
from tasks.compress.protocol import Context, NotApplicable, Parent
from tasks.core import progress
from tasks.core.errors import ParamsError
from tasks.core.fitting import FitData
from tasks.core.plugins import Plugin, PluginParams
from tasks.nets.tuning import taught_by

LIBRARIES = ("numpy", "torch")
PRECISION = ""
UNDOES = networks.ZEROS
COPIES = 4  # of each row, with classes that the teacher draws
NO_LAYERS = (
    "its student is another model, which has no layer or tree of its teacher's: compare `alone` "
    "and `taught` in facts.distill of variant.json. Where both lose it is too small (`share`, "
    "`student`); where `taught` alone does, it listens too much to its teacher (`weight`)"
)


class Params(PluginParams):
    """The student's size, and how much it listens to its teacher."""

    share: float = Field(default=0.5, gt=0, lt=1, description="of the teacher's width, or trees")
    into: Literal["mlp"] | None = Field(
        default=None, description="a network that learns from trees, of `student`; null: no other"
    )
    student: dict[str, Any] = Field(
        default_factory=dict,
        description="params of the model that the student has instead: `{width: 12}`",
    )
    weight: float = Field(default=0.7, gt=0, le=1, description="of the teacher in the loss")
    temperature: float = Field(
        default=1.0, gt=0, description="that softens a network's probabilities; 1: as they are"
    )

    @model_validator(mode="after")
    def _fits(self) -> "Params":
        for model in uses(self):
            try:
                _given(model.module.Params(), self.student)
            except ParamsError as error:
                raise ValueError(str(error)) from None
        return self


def uses(params: Params) -> list[Plugin]:
    """Return the model that it fits where that is not the teacher's own."""
    if params.into is None:
        return []
    return [Plugin(kind="model", name=params.into, params=params.student)]


def becomes(params: Params, model: Plugin) -> Plugin:
    """Return the student's plugin."""
    return next(iter(uses(params)), model)


def passes(params: Params, model: Plugin) -> int:
    """Return how often it goes over the training data, at most: two students learn."""
    copies = COPIES if params.into else 1
    return 2 * copies * getattr(becomes(params, model).typed, "epochs", 1)


def lessons(params: Params, model: Plugin) -> int:
    """Return how often the teacher goes over it."""
    return getattr(model.typed, "epochs", 0)


def outline(params: Params, model: Plugin) -> Plugin | None:
    """Return what gives a graph the same shape sooner: as many trees, cut instead of taught, or a
    network of one pass.
    """
    if params.into:
        brief = {**params.model_dump(), "student": {**params.student, "epochs": 1}}
        return Plugin(kind="technique", name="distill", params=brief)
    if not hasattr(model.module, "fewer_trees"):
        return None
    return Plugin(kind="technique", name="truncate", params={"share": params.share})


def applies(parent: Parent) -> str | None:
    """Return None, or why there is no smaller model of it."""
    if networks.unfit(parent) and not graphs.is_trees(parent.graph.graph):
        return "no network that is fitted here, and no ensemble of trees"
    return None


def shrink(parent: Parent, params: Params, context: Context) -> Any:
    """Return the student.

    Raises:
        ParamsError: `student` has params that the model has not.
        NotApplicable: there is no such student of this teacher.
    """
    teacher = parent.model.module
    trees = bool(networks.unfit(parent))
    data = context.data
    if trees and data.task == "forecast":
        raise NotApplicable("trees of a forecast give quantiles, which do not mix with its target")
    if params.into and (np.isnan(data.X).any() or np.isnan(data.X_stop).any()):
        raise NotApplicable("values are missing, and a network that is fitted here takes none")
    module, small = _student(parent, params, context.meta.task)
    with progress.within(0.0, 0.5, "alone"):
        rows = data
        if params.into and data.task == "classification":  # as many steps as the one that is taught
            rows = replace(data, X=np.tile(data.X, (COPIES, 1)), y=np.tile(data.y, COPIES))
        alone = module.fit(rows, small, context.fitting())
    if context.brief:
        return alone
    with progress.within(0.5, 1.0, "taught"):
        if trees:
            targets = taught(
                data, teacher.predict(parent.fitted, data.X), params.weight, context.fit.seed
            )
            if data.task == "classification":
                small = of_copies(small, getattr(module, "BY_ROWS", ()))
            student = module.fit(targets, small, context.fitting())
        else:
            objective = taught_by(parent.fitted.module, params.weight, params.temperature)
            student = module.fit(data, small, context.fitting(), objective)
    model = becomes(params, parent.model)
    context.facts["distill"] = {
        "alone": context.judge(model, alone),
        "taught": context.judge(model, student),
    }
    return student


def _student(parent: Parent, params: Params, task: str) -> tuple[Any, PluginParams]:
    """Return the module of the student's plugin, and the params that it is fitted with."""
    own, typed = parent.model.module, parent.model.typed
    if params.into:
        module = becomes(params, parent.model).module
        if not networks.unfit(parent):
            raise NotApplicable(f"{params.into} learns from trees: `share` narrows a network")
        if task not in module.TASKS:
            raise NotApplicable(f"{params.into} is for {' and '.join(module.TASKS)}")
        return module, _given(module.Params(), params.student)
    if not networks.unfit(parent):
        return own, _given(own.narrower(typed, params.share), params.student)
    if not hasattr(own, "fewer_trees"):
        raise NotApplicable("its trees are not fitted here: `into: mlp` learns from them")
    return own, _given(own.fewer_trees(parent.fitted, typed, params.share), params.student)


def _given(params: PluginParams, own: dict[str, Any]) -> PluginParams:
    """Return params with those that the student was given."""
    try:
        return type(params)(**{**params.model_dump(), **own})
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        known = ", ".join(type(params).model_fields)
        raise ParamsError(f"distill.student: {told}. The model's params are {known}.") from None


def of_copies(params: PluginParams, by_rows: Sequence[str]) -> PluginParams:
    """Return the params for rows that come COPIES times each: together they weigh as much as one.

    by_rows: the params that are so many rows, or are held against the sum of them.
    """
    return params.model_copy(update={name: COPIES * getattr(params, name) for name in by_rows})


def taught(data: FitData, prediction: np.ndarray, weight: float, seed: int) -> FitData:
    """Return rows whose targets are partly the teacher's; those to stop by stay as they are.

    prediction: the teacher's, (n,) values or (n, k) probabilities of the rows. Numbers are mixed by
    weight. Of classes each row comes COPIES times: its own class, and that share of draws.
    """
    if data.task == "regression":
        return replace(data, y=weight * np.ravel(prediction) + (1 - weight) * data.y)
    rng = np.random.default_rng(seed)
    draws = max(1, round(weight * COPIES))
    edges = np.cumsum(prediction / prediction.sum(1, keepdims=True), axis=1)
    edges[:, -1] = 1.0
    drawn = (rng.random((draws, len(data.y), 1)) >= edges).sum(-1)  # (draw, row) -> class
    own = np.repeat(data.y[None], COPIES - draws, axis=0)
    y = np.concatenate([own, drawn]).astype(data.y.dtype).ravel()
    return replace(data, X=np.tile(data.X, (COPIES, 1)), y=y)
