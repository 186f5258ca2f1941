"""What recipes begin with where that fits a model further: done once for all that begin alike.

A beginning is a folder: the graph, the model as its plugin saves it (`fitted/`), and `begun.json`,
which says what the technique states of it, or why it came to nothing.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tasks.compress import applying, export, graphs
from tasks.compress.protocol import Context, NotApplicable, Parent
from tasks.compress.writing import GRAPH, words_of
from tasks.core.errors import transient
from tasks.core.fitting import FitContext
from tasks.core.plugins import Plugin
from tasks.core.prepared import Prepared

FILE, FITTED = "begun.json", "fitted"
Steps = tuple[str, ...]  # techniques with their parameters


def of(recipe: list[Plugin], model: Plugin) -> list[Steps]:
    """Return the beginnings of a recipe that fit the model further, the shortest first."""
    found: list[Steps] = []
    if not getattr(model.module, "SAVES_CHANGED", True):
        return found
    for at, step in enumerate(recipe):
        so_far = applying.after(recipe[:at], model)
        if not hasattr(step.module, "shrink") or not applying.passes(step, so_far):
            break
        found.append((*(found[-1] if found else ()), applying.words(step)))
    return found


def first(recipes: dict[str, list[Plugin]], model: Plugin) -> Iterator[tuple[str, Plugin]]:
    """Yield the steps that begin recipes of a model, each with the first recipe that has it, by the
    words for both.
    """
    seen: set[Steps] = set()
    for label, recipe in recipes.items():
        for at, steps in enumerate(of(recipe, model)):
            if steps not in seen:
                yield words(label, recipe[: at + 1]), recipe[at]
            seen.add(steps)


def words(label: str, steps: list[Plugin]) -> str:
    """Return a recipe's label for the last of its first steps, numbered where it comes again."""
    times = [step.name for step in steps].count(steps[-1].name)
    return label if times == 1 else f"{label} {times}"


def write(
    out: Path,
    parent: Path,
    fitted: Path,
    begun: Path | None,
    model: Plugin,
    step: Plugin,
    prepared: Path,
    metrics: list[Plugin],
    tolerance: float,
    fit: FitContext,
) -> None:
    """Write what a technique makes of a model, or of what a beginning left: a model of `model`.

    Raises:
        TransientError: out of memory or an I/O error, so that it can be tried again.
    """
    data = Prepared(prepared)
    context = applying.context_of(data, metrics, 0, fit)
    start = resumed(begun, parent, fitted, model, context)
    try:
        made = applying.applied([step], start, context, data, tolerance)
        if context.calibrated:
            raise ValueError("a technique that fits further has no calibration rows")
        (out / FITTED).mkdir(exist_ok=True)
        made.model.module.save(made.fitted, out / FITTED)
        _check_saved(out / FITTED, made, data, tolerance)
        if fit.pieces > 1:
            context.facts["pieces"] = fit.pieces
        (out / GRAPH).write_bytes(graphs.serialise(made.graph))
        _state(out, {"status": "ok", "earlier": made.earlier, "facts": context.facts})
    except NotApplicable as why:
        write_unmade(out, step, "not_applicable", str(why))
    except Exception as error:  # whatever a technique's library raises
        if transient(error):
            raise
        write_unmade(out, step, "failed", words_of(error))


def _check_saved(folder: Path, made: Parent, data: Prepared, tolerance: float) -> None:
    """Hold a model, loaded again, against its graph on the judged rows.

    Raises:
        ParityError: its plugin saves or loads another one than it was given.
    """
    judged, model = data.meta.judged, made.model
    found = np.asarray(model.module.predict(model.module.load(folder), data.X(judged)))
    graph = graphs.run(graphs.session(made.graph), data.feed(judged))
    export.verify(found, graph, tolerance, f"the saved model of {model.name}")


def write_unmade(out: Path, step: Plugin, status: str, reason: str) -> None:
    """Write why there is no such beginning."""
    _state(out, {"status": status, "technique": step.name, "reason": reason})


def unmade(begun: Path, recipe: list[Plugin]) -> tuple[str, str] | None:
    """Return status and reason of a beginning that came to nothing, None of one that is there."""
    found = stated(begun)
    if found["status"] == "ok":
        return None
    return found["status"], NotApplicable(found["reason"], found["technique"]).within(recipe)


def stated(begun: Path) -> dict[str, Any]:
    """Return what a beginning says of itself."""
    return json.loads((begun / FILE).read_text())


def resumed(
    begun: Path | None, parent: Path, fitted: Path, model: Plugin, context: Context
) -> Parent:
    """Return what the next technique of a recipe is applied to; its facts are the context's.

    parent, fitted: folders of the fp32 graph and its model, where nothing is `begun`; model: the
    plugin of what is.
    """
    import onnx

    if begun is None:
        return Parent(onnx.load(parent / GRAPH), model, lambda: model.module.load(fitted))
    found = stated(begun)
    context.facts.update(found["facts"])
    load = lambda: model.module.load(begun / FITTED)  # noqa: E731 - when it is asked for
    return Parent(onnx.load(begun / GRAPH), model, load, tuple(found["earlier"]))


def _state(out: Path, content: dict[str, Any]) -> None:
    (out / FILE).write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False))
