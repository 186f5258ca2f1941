"""Sketches of a model's recipes: what each would weigh, cost and lose, as far as is known without
fitting.
"""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tasks.compress import applying, beginnings, drops, ensembles, export, graphs
from tasks.compress.beginnings import Steps
from tasks.compress.protocol import Context, NotApplicable, NothingToDo, Parent, dialect_of
from tasks.compress.search import Sketch, share_lost
from tasks.compress.work import float_us, microseconds
from tasks.compress.writing import GRAPH
from tasks.core import scoring
from tasks.core.errors import transient
from tasks.core.fitting import FitContext, FitData, training_data
from tasks.core.plugins import Plugin
from tasks.core.prepared import Prepared

if TYPE_CHECKING:
    import onnx

FILE = "sketches.json"
ROWS = 64  # that a network is fitted on here, once, and held against its graph: its shape is asked
CALIBRATION = 128  # rows that ranges are taken from here, at most
# What making a variant takes, fitted by eye to sweeps of `digits` and `mnist` on one core: seconds,
# of each and of a fit before it; microseconds, of a layer in a step, of a row that is an image, and
# of a row for its multiply-adds, or for each node of a tree. A teacher only predicts. The judged
# rows are gone over by the parent and by the variant, and scored.
START_S, FIT_S, LAYER_US, IMAGE_US, TRAINING, NODE_US = 0.2, 0.15, 650.0, 80.0, 5.0, 0.026
TEACHING, JUDGING, JUDGED_US = TRAINING / 3, 3.0, 250.0
BATCH = 64  # rows of a step where the model does not say


def write(
    out: Path,
    parent: Path,
    fitted: Path,
    model: Plugin,
    recipes: dict[str, list[Plugin]],
    prepared: Path,
    metrics: list[Plugin],
    tolerance: float,
    calibration_rows: int,
    seed: int,
) -> None:
    """Write `sketches.json`: for each recipe a sketch, or why it does not apply, as `reason`.

    One that fails has neither, nor has one that ends in another format: they are to be run.

    Raises:
        TransientError: out of memory or an I/O error, so that it can be tried again.
    """
    import onnx

    data = Prepared(prepared)
    network = hasattr(model.module, "tune")
    brief = model.with_params(epochs=1) if network else model
    start = Parent(onnx.load(parent / GRAPH), brief, lambda: model.module.load(fitted))
    few = min(calibration_rows, CALIBRATION)
    context = applying.context_of(data, metrics, few, FitContext(seed))
    pad = _Pad(_as_run(model, start), data, metrics, context, tolerance, start)
    found: dict[str, Any] = {}
    for label, recipe in recipes.items():
        try:
            quick = _quick(recipe, start)
            if any(hasattr(step.module, "convert") for step in quick):
                continue  # into another engine's file
            found[label] = asdict(pad.sketch(recipe, quick))
        except NotApplicable as why:
            found[label] = {"reason": why.within(recipe)}
        except Exception as error:  # whatever a technique's library raises
            if transient(error):
                raise
    text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    (out / FILE).write_text(text)


class _Outline(NamedTuple):
    """What a variant's shape says: bytes, weights, work, and what fitting on a row takes."""

    size: int
    weights: int
    work: float
    row_us: float


class _Pad:
    """Sketches of a model's recipes, each beginning made once."""

    def __init__(
        self,
        model: Plugin,
        data: Prepared,
        metrics: list[Plugin],
        context: Context,
        tolerance: float,
        start: Parent,
    ) -> None:
        self.model, self.data, self.metrics = model, data, metrics
        self.context, self.tolerance = context, tolerance
        seed = context.fit.seed
        self.brief = replace(  # of what fits
            context, rows=lambda: _few(training_data(data), seed), judge=lambda *_: {}
        )
        self.made: dict[Steps, Parent] = {(): start}
        self.outlines: dict[Steps, _Outline] = {}
        self.before = self._outlined((), None)
        row_us = float_us(start.graph)
        self.rows, judged = (data.meta.parts[part] for part in ("train", data.meta.judged))
        self.teaching_us = TEACHING * row_us
        self.judging_s = judged * (JUDGED_US + JUDGING * row_us) / 1e6
        self.score = self._score(start.graph, None)

    def sketch(self, recipe: list[Plugin], quick: list[Plugin]) -> Sketch:
        """Return what is known of a recipe by what its `quick` steps make of the model."""
        steps: Steps = ()
        for step in quick:
            before, made = self.made[steps], (*steps, applying.words(step))
            try:
                if made not in self.made:
                    context = self.brief if hasattr(step.module, "shrink") else self.context
                    self.made[made] = applying.applied(
                        [step], before, context, self.data, self.tolerance, ROWS
                    )
            except NothingToDo:
                if step.name == recipe[-1].name:
                    raise
                continue  # with the next, as the variant will
            steps = made
        dialect = dialect_of(quick)
        outline = self._outlined(steps, dialect)
        models = [applying.after(recipe[:at], self.model) for at in range(len(recipe))]
        passes = [applying.passes(s, model) for s, model in zip(recipe, models, strict=True)]
        lessons = [applying.lessons(s, model) for s, model in zip(recipe, models, strict=True)]
        seconds = [
            self.rows * (often * outline.row_us + taught * self.teaching_us) / 1e6
            for often, taught in zip(passes, lessons, strict=True)
        ]
        shared = len(beginnings.of(recipe, self.model))
        keeps = [getattr(step.module, "keeps", None) for step in recipe]
        kept = [keep(s.typed) for keep, s in zip(keeps, recipe, strict=True) if keep]
        loss = None
        if not any(passes):
            score = self._score(self.made[steps].graph, dialect)
            loss = share_lost(self.score, score, self.data.meta.task)
        return Sketch(
            size=outline.size / self.before.size,
            weights=outline.weights / self.before.weights * min(kept, default=1.0),
            work=outline.work / self.before.work,
            loss=loss,
            seconds=START_S + self.judging_s + sum(seconds[shared:]),
            begins=tuple(FIT_S + self.judging_s + s for s in seconds[:shared]),
            steps=tuple(applying.words(step) for step in recipe),
        )

    def _outlined(self, steps: Steps, dialect: str | None) -> _Outline:
        """Return the outline of what these steps made; dialect: what they wrote."""
        if steps not in self.outlines:
            graph = export.finish(self.made[steps].graph, self.data.meta)
            step_us = LAYER_US * len(graphs.weighted(graph.graph))
            row_us = step_us / getattr(self.model.typed, "batch_size", BATCH)
            row_us += IMAGE_US if self.model.module.NEEDS_IMAGE else 0
            row_us += TRAINING * float_us(graph) + NODE_US * _tree_nodes(graph)
            size, work = len(graphs.serialise(graph)), microseconds(graph, dialect)
            self.outlines[steps] = _Outline(size, _weights(graph), work, row_us)
        return self.outlines[steps]

    def _score(self, model: "onnx.ModelProto", dialect: str | None) -> float | None:
        meta, metric = self.data.meta, drops.usual(self.metrics, self.data.meta)
        got = graphs.run(graphs.session(model, dialect=dialect), self.data.feed(meta.judged))
        y = self.data.y(meta.judged)
        return scoring.scores(meta.task, y, got, [metric], meta.sequence)[metric.name]


def _weights(model: "onnx.ModelProto") -> int:
    """Return how many numbers a graph's constants have, of whatever precision."""
    return sum(math.prod(i.dims) for i in model.graph.initializer) or 1


def _tree_nodes(model: "onnx.ModelProto") -> int:
    """Return the nodes of all trees; 0 of what is no ensemble."""
    return 0 if ensembles.unfit(model.graph) else int(ensembles.read(model.graph)[0].start[-1])


def _quick(recipe: list[Plugin], start: Parent) -> list[Plugin]:
    """Return the steps that give a graph its shape, each with one pass over the data."""
    once, kept = ("epochs", "steps"), []
    for at, step in enumerate(recipe):
        if reason := applying.undoes(step, [s.name for s in recipe[:at]]):
            raise NotApplicable(reason, step.name)
        same = getattr(step.module, "SAME_SHAPE", False)
        outline = getattr(step.module, "outline", None)
        asked = same or outline or hasattr(step.module, "convert")
        so_far = replace(start, model=applying.after(recipe[:at], start.model))
        if asked and (reason := applying.unfit(step, so_far)):
            raise NotApplicable(reason, step.name)
        if outline and (quicker := outline(step.typed, start.model)):
            kept.append(quicker)
        elif not same:
            fields = type(step.typed).model_fields
            kept.append(step.with_params(**{name: 1 for name in once if name in fields}))
    return kept


def _as_run(model: Plugin, start: Parent) -> Plugin:
    """Return the model with the epochs that its fit came to, where it says so."""
    facts = getattr(model.module, "facts", None)
    epochs = facts(start.fitted).get("rounds_run") if facts and hasattr(model.module, "tune") else 0
    return model.with_params(epochs=epochs) if epochs else model


def _few(data: FitData, seed: int) -> FitData:
    """Return some of the rows."""
    rows = np.random.default_rng(seed).permutation(len(data.X))[:ROWS]
    few = slice(ROWS)  # of those to stop by, too
    return replace(
        data, X=data.X[rows], y=data.y[rows], X_stop=data.X_stop[few], y_stop=data.y_stop[few]
    )
