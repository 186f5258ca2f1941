"""Sketches of a model's recipes: what each would weigh, cost and lose, as far as is known without
fitting.
"""

import json
import math
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.compress import drops, export, graphs, variants
from tasks.compress.protocol import NotApplicable, Parent
from tasks.compress.search import Sketch, share_lost
from tasks.compress.work import float_us, microseconds
from tasks.core import scoring
from tasks.core.errors import TransientError
from tasks.core.fitting import FitData, training_data
from tasks.core.plugins import Plugin
from tasks.core.prepared import Prepared

if TYPE_CHECKING:
    import onnx

FILE = "sketches.json"
ROWS = 256  # that a network is fitted on here, once: its shape is all that is asked for
# What making a variant takes, fitted by eye to a sweep of `digits` on two cores: seconds, or
# microseconds a row that is fitted on, for each layer and for its multiply-adds.
START_S, LAYER_US, TRAINING = 0.4, 20.0, 5.0


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
        except (TransientError, MemoryError, OSError):
            raise
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
        row_us = LAYER_US * len(graphs.weighted(made.graph)) + TRAINING * float_us(made)
        fit_us = passes * self.data.meta.parts["train"] * row_us
        setup_s = sum(getattr(step.module, "SETUP_S", 0.0) for step in recipe)
        size, weights, work, score = self._figures
        return Sketch(
            size=len(graphs.serialise(made)) / size,
            weights=_weights(made) / weights,
            work=microseconds(made) / work,
            loss=None if passes else share_lost(score, self._score(made), self.data.meta.task),
            seconds=START_S + setup_s + fit_us / 1e6,
            steps=tuple(f"{step.name} {step.typed.model_dump_json()}" for step in recipe),
        )

    @cached_property
    def _figures(self) -> tuple[int, int, float, float | None]:
        """Return bytes, weights, work and score of the fp32 graph."""
        before = self.before
        size = len(graphs.serialise(before))
        return size, _weights(before), microseconds(before), self._score(before)

    def _score(self, model: "onnx.ModelProto") -> float | None:
        meta, metric = self.data.meta, drops.usual(self.metrics, self.data.meta)
        got = graphs.run(graphs.session(model), self.data.feed(meta.judged))
        return scoring.scores(meta.task, self.data.y(meta.judged), got, [metric])[metric.name]


def _weights(model: "onnx.ModelProto") -> int:
    """Return how many numbers a graph's constants have, of whatever precision."""
    return sum(math.prod(i.dims) for i in model.graph.initializer) or 1


def _quick(recipe: list[Plugin], start: Parent) -> list[Plugin]:
    """Return the steps that give a graph its shape, each with one pass over the data."""
    once, kept = ("epochs", "steps"), []
    for step in recipe:
        same = getattr(step.module, "SAME_SHAPE", False)
        asked = same or hasattr(step.module, "convert")
        if asked and (reason := variants.unfit(step, start)):
            raise NotApplicable(reason if len(recipe) == 1 else f"{step.name}: {reason}")
        outline = getattr(step.module, "outline", None)
        if outline and (quicker := outline(step.typed, start.model)):
            kept.append(quicker)
        elif not same:
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
