"""Applies the techniques of a recipe, one to what the one before it left."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.compress import drops, export, graphs
from tasks.compress.protocol import Context, Converted, NotApplicable, NothingToDo, Parent
from tasks.core import scoring
from tasks.core.fitting import FitContext, training_data
from tasks.core.plugins import Plugin, plugin, unavailable
from tasks.core.prepared import Prepared

if TYPE_CHECKING:
    import onnx


def context_of(
    data: Prepared, metrics: list[Plugin], calibration_rows: int, fit: FitContext
) -> Context:
    """Return the circumstances of a recipe's techniques."""
    return Context(
        meta=data.meta,
        draw=lambda: calibration(data, calibration_rows, fit.seed),
        matrix=lambda: data.X("train")[_drawn(data, calibration_rows, fit.seed)],
        rows=lambda: training_data(data),
        fit=fit,
        judge=lambda of, fitted: _judged(fitted, of, data, metrics),
        hold=lambda parent: held(data, parent),
        metric=drops.usual(metrics, data.meta),
    )


def calibration(data: Prepared, rows: int, seed: int) -> dict[str, np.ndarray]:
    """Return the graph's inputs for training rows, those kept for early stopping first."""
    return data.feed("train", _drawn(data, rows, seed))


def _drawn(data: Prepared, rows: int, seed: int) -> np.ndarray:
    stop = data.stop == 1
    generator = np.random.default_rng(seed)
    order = np.concatenate([generator.permutation(np.flatnonzero(kept)) for kept in (stop, ~stop)])
    return np.sort(order[:rows])


def held(data: Prepared, parent: Parent) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return inputs and target of the training rows that a model was not fitted on: those kept for
    early stopping, or all, where none is or nothing was fitted here.
    """
    fits = getattr(parent.model.module, "LEARNS", True)
    fits = fits or any(hasattr(plugin("technique", name), "passes") for name in parent.earlier)
    rows = np.flatnonzero(data.stop == 1)
    rows = rows if fits and len(rows) else np.arange(data.meta.parts["train"])
    return data.feed("train", rows), data.y("train")[rows]


def exported(
    fitted: Any, model: Plugin, data: Prepared, tolerance: float, rows: int | None = None
) -> "tuple[onnx.ModelProto, export.Difference]":
    """Return a fitted model's whole graph, and how far it is from the model on the judged rows.

    rows: how many of them; None: all.

    Raises:
        ParityError: further than `tolerance`.
    """
    import onnx

    prepare = onnx.load(data.folder / "prepare.onnx")
    made = export.whole(prepare, model.module.to_onnx(fitted), data.meta)
    judged = data.meta.judged
    expected = np.asarray(model.module.predict(fitted, data.X(judged)[:rows]))
    got = graphs.run(graphs.session(made), data.feed(judged, slice(rows)))
    return made, export.verify(got, expected, tolerance, f"ONNX graph of {model.name}")


def _judged(fitted: Any, model: Plugin, data: Prepared, metrics: list[Plugin]) -> dict[str, Any]:
    meta = data.meta
    predicted = model.module.predict(fitted, data.X(meta.judged))
    return scoring.scores(meta.task, data.y(meta.judged), predicted, metrics, meta.sequence)


def applied(
    recipe: list[Plugin],
    parent: Parent,
    context: Context,
    data: Prepared,
    tolerance: float,
    rows: int | None = None,
    follows: bool = False,
) -> Parent:
    """Return what the last technique leaves; rows: see `exported`; follows: another one does.

    Raises:
        NotApplicable: a technique does not fit what the one before it left.
    """
    for left, step in zip(range(len(recipe) - 1, -1, -1), recipe, strict=True):
        earlier = (*parent.earlier, step.name)
        try:
            if reason := unfit(step, parent):
                raise NotApplicable(reason)
            converted: Converted | None = None
            becomes = parent.model
            if hasattr(step.module, "convert"):
                converted = step.module.convert(parent, step.typed, context)
                graph, load = parent.graph, None
            elif hasattr(step.module, "shrink"):
                model = step.module.shrink(parent, step.typed, context)
                becomes = after([step], parent.model)
                graph = exported(model, becomes, data, tolerance, rows)[0]
                load = lambda made=model: made  # noqa: E731 - the model, when it is asked for
            else:
                graph, load = step.module.apply(parent, step.typed, context), None
            parent = Parent(graph, becomes, load, earlier, (parent, step), converted)
        except NotApplicable as why:
            if isinstance(why, NothingToDo) and (left or follows):
                context.facts[step.name] = {"left_out": str(why)}
                continue
            why.technique = step.name
            raise
    return parent


def after(steps: Sequence[Plugin], model: Plugin) -> Plugin:
    """Return the plugin of the model that techniques leave of a model."""
    for step in steps:
        own = getattr(step.module, "becomes", None)
        model = own(step.typed, model) if own else model
    return model


def passes(step: Plugin, model: Plugin) -> int:
    """Return how often a technique goes over the training data."""
    own = getattr(step.module, "passes", None)
    return own(step.typed, model) if own else 0


def lessons(step: Plugin, model: Plugin) -> int:
    """Return how often the model it starts from goes over the training data as a teacher."""
    own = getattr(step.module, "lessons", None)
    return own(step.typed, model) if own else 0


def words(step: Plugin) -> str:
    """Return a technique with its parameters, in words."""
    return f"{step.name} {step.typed.model_dump_json()}"


def undoes(step: Plugin, earlier: Sequence[str]) -> str | None:
    """Return why a technique cannot follow those earlier ones, or None."""
    undone = [name for name in earlier if name in getattr(step.module, "UNDOES", ())]
    return f"it would undo {undone[-1]}: put it before that" if undone else None


def unfit(step: Plugin, parent: Parent) -> str | None:
    """Return why a technique does not fit what it is given, or None."""
    if parent.converted:
        return f"nothing follows {parent.earlier[-1]}: its file is no ONNX graph"
    if reason := getattr(parent.model.module, "REFUSES", {}).get(step.name):
        return reason
    if parent.load is None and {"shrink", "convert"} & set(vars(step.module)):
        return f"it starts from the fitted model: put it before {parent.earlier[-1]}"
    if reason := undoes(step, parent.earlier):
        return reason
    return step.module.applies(parent) or unavailable("technique", step.name)
