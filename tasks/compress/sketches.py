"""Sketches of a model's recipes: what each would weigh, cost and lose, as far as is known without
fitting.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.compress import drops, export, graphs, variants
from tasks.compress.protocol import NotApplicable, Parent
from tasks.compress.search import Sketch, share_lost
from tasks.compress.work import float_us, microseconds
from tasks.core import scoring
from tasks.core.fitting import FitData, training_data
from tasks.core.plugins import Plugin
from tasks.core.prepared import Prepared

if TYPE_CHECKING:
    import onnx

FILE = "sketches.json"
ROWS = 256  # that a network is fitted on here, once: its shape is all that is asked for
START_S = 2.0  # that making any variant takes, about
TRAINING = 3  # a step of it takes that many times a prediction


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
    """
    import onnx

    data = Prepared(prepared)
    network = hasattr(model.module, "tune")
    brief = model.with_params(epochs=1) if network else model
    start = Parent(onnx.load(parent / variants.GRAPH), brief, lambda: model.module.load(fitted))
    judge = _Judge(data, start.graph, metrics)
    found: dict[str, Any] = {}
    for label, recipe in recipes.items():
        context = variants.context_of(data, model, metrics, calibration_rows, seed)
        if network:
            context = replace(context, rows=lambda: _few(training_data(data), seed))
        try:
            quick = _quick(recipe, start)
            if any(hasattr(step.module, "convert") for step in quick):
                continue  # into another engine's file
            made = variants.applied(quick, start, context, data, tolerance).graph
            passes = sum(_passes(step, model) for step in recipe)
            found[label] = asdict(judge.sketch(export.finish(made, data.meta), recipe, passes))
        except NotApplicable as why:
            found[label] = {"reason": str(why)}
        except Exception:  # whatever a technique's library raises
            continue
    text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    (out / FILE).write_text(text)


@dataclass(frozen=True)
class _Judge:
    """Holds graphs against the fp32 one."""

    data: Prepared
    before: "onnx.ModelProto"
    metrics: list[Plugin]

    def sketch(self, made: "onnx.ModelProto", recipe: list[Plugin], passes: int) -> Sketch:
        """Return what is known of a recipe that made this graph without fitting it."""
        rows = self.data.meta.parts["train"]
        fit_us = TRAINING * passes * rows * float_us(made)
        sizes = [len(graphs.serialise(model)) for model in (made, self.before)]
        return Sketch(
            size=sizes[0] / sizes[1],
            work=microseconds(made) / microseconds(self.before),
            loss=None if passes else self._loss(made),
            seconds=START_S + fit_us / 1e6,
            steps=tuple(f"{step.name} {step.typed.model_dump_json()}" for step in recipe),
        )

    def _loss(self, made: "onnx.ModelProto") -> float:
        part = self.data.meta.judged
        feed = self.data.feed(part)
        old, new = (graphs.run(graphs.session(model), feed) for model in (self.before, made))
        meta, metric = self.data.meta, drops.usual(self.metrics, self.data.meta)
        y = self.data.y(part)
        before, after = (
            scoring.scores(meta.task, y, got, [metric])[metric.name] for got in (old, new)
        )
        return share_lost(before, after, meta.task)


def _quick(recipe: list[Plugin], start: Parent) -> list[Plugin]:
    """Return the steps that give a graph its shape, each with one pass over the data."""
    once, kept = ("epochs", "steps"), []
    for step in recipe:
        same = getattr(step.module, "SAME_SHAPE", False)
        asked = same or hasattr(step.module, "convert")
        if asked and (reason := variants.unfit(step, start)):
            raise NotApplicable(reason if len(recipe) == 1 else f"{step.name}: {reason}")
        if not same:
            fields = type(step.typed).model_fields
            kept.append(step.with_params(**{name: 1 for name in once if name in fields}))
    return kept


def _passes(step: Plugin, model: Plugin) -> int:
    """Return how often a technique goes over the training data."""
    passes = getattr(step.module, "passes", None)
    return passes(step.typed, model) if passes else 0


def _few(data: FitData, seed: int) -> FitData:
    """Return some of the rows."""
    rows = np.random.default_rng(seed).permutation(len(data.X))[:ROWS]
    return replace(data, X=data.X[rows], y=data.y[rows])
