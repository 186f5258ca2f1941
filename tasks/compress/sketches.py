"""Sketches of a model's recipes: what each would weigh, cost and lose, as far as is known without
fitting.
"""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tasks.compress import applying, beginnings, drops, ensembles, export, graphs, work
from tasks.compress.beginnings import Steps
from tasks.compress.protocol import Context, NotApplicable, NothingToDo, Parent, dialect_of
from tasks.compress.search import Sketch, share_lost
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
CALIBRATION = 16  # rows that ranges are taken from here, at most
# What making a variant takes, fitted to sweeps of digits, MNIST and a table on one core: seconds,
# of each, of a technique that works on its graph, and more where it starts from trees;
# microseconds, of a layer in a step, of a row for a million multiply-adds, or for each node of a
# tree and the square root of the features that it chooses from, and of a value that is read; a
# teacher's share of a pass. The judged rows are gone over by the parent and by the variant, and
# scored.
START_S, GRAPH_S, TREES_S = 0.045, 0.05, 0.075
LAYER_US, MILLION_MACS, NODE_US, READ_US, TEACHING = 80.0, 100.0, 0.0024, 0.33, 0.7
JUDGING, JUDGED_US = 2.4, 220.0
BATCH = 64  # rows of a step where the model does not say
# What a fit is thought to lose, as a share of what makes a variant worthless: the more the fewer
# weights are left, and less of a model that is fitted further than of one that is fitted anew. Of
# four models that lost from 0.02 to 3, each lost nearly in proportion to this power of the weights
# gone over those left.
ANEW, FURTHER, POWER = 0.03, 0.01, 1.3
# Params that leave a variant its shape, and nearly what cut trees lose.
BRIEF = {"epochs": 1, "steps": 1, "ranges": "minmax", "rows": 512}


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
            if any(hasattr(step.module, "convert") for step in recipe):
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
    """What a variant's shape says: bytes, of the file and of its weights; how many weights, nodes
    of trees; work; what a row takes it in a step of fitting, and its multiply-adds alone.
    """

    size: float
    stored: int
    weights: int
    nodes: int
    work: work.Work
    row_us: float
    macs_us: float


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
        self.context, self.tolerance = replace(context, brief=True), tolerance
        seed = context.fit.seed
        few = lambda: _few(training_data(data), seed)  # noqa: E731 - when it is asked for
        self.fitting = replace(self.context, rows=few)
        self.made: dict[Steps, Parent] = {(): start}
        self.outlines: dict[Steps, _Outline] = {}
        self.met: dict[tuple[Steps, str], Steps] = {}  # by operators and step: what came first
        self.features = len(data.meta.feature_names)
        self.before = self._outlined((), None)
        self.rows, judged = (data.meta.parts[part] for part in ("train", data.meta.judged))
        reading_us = READ_US * self.features
        self.reading_s = self.rows * reading_us / 1e6
        judging_us = JUDGED_US + JUDGING * self.before.work.float_us + reading_us
        self.judging_s = judged * judging_us / 1e6
        self.judged = data.feed(data.meta.judged), data.y(data.meta.judged)
        self.score = self._score(start.graph, None)
        self.start_s = START_S + TREES_S * (self.before.nodes > 0)

    def sketch(self, recipe: list[Plugin], quick: "list[Plugin | None]") -> Sketch:
        """Return what is known of a recipe by what `quick` makes of the model, a step for each of
        its own (None: the shape stays).
        """
        steps: Steps = ()
        outline, seconds, fitted = self.before, [], False
        for at, (step, quicker) in enumerate(zip(recipe, quick, strict=True)):
            refuses = getattr(step.module, "refuses", None)
            if reason := refuses and refuses(step.typed, self.context):
                raise NotApplicable(reason, step.name)
            model = applying.after(recipe[:at], self.model)
            passes = applying.passes(step, model)
            taught_us = applying.lessons(step, model) * TEACHING * outline.macs_us
            last = at == len(recipe) - 1
            if last and (alike := self._alike(steps, quicker)):
                outline = alike
            else:
                steps = self._made(steps, quicker, last)
                outline = self._outlined(steps, dialect_of([q for q in quick[: at + 1] if q]))
            seconds.append(self.rows * (passes * outline.row_us + taught_us) / 1e6)
            fitted = fitted or passes > 0
        cut = 0.0  # what only rounds is thought to lose nothing
        likely = _likely(recipe, outline.weights / self.before.weights) if fitted else 0.0
        if 0 < outline.nodes < self.before.nodes:
            score = self._score(self.made[steps].graph, dialect_of([q for q in quick if q]))
            cut = share_lost(self.score, score, self.data.meta.task)
            likely = min(likely, max(cut, 0.0))  # taught, so many trees are no worse than cut
        shared = len(beginnings.of(recipe, self.model))
        on_graph = GRAPH_S * sum(hasattr(step.module, "apply") for step in recipe)
        return Sketch(
            size=outline.size / self.before.size,
            work=outline.work.us / self.before.work.us,
            loss=None if fitted else cut,
            likely=likely,
            seconds=self.start_s + on_graph + self.judging_s + sum(seconds[shared:]),
            begins=tuple(self.reading_s + self.judging_s + s for s in seconds[:shared]),
            steps=tuple(applying.words(step) for step in recipe),
        )

    def _made(self, steps: Steps, step: Plugin | None, last: bool) -> Steps:
        """Return the steps with one more, made; without it where it leaves the shape, or has
        nothing to do and another follows.

        Raises:
            NothingToDo: it has, and is the `last`.
        """
        if step is None:
            return steps
        made = (*steps, applying.words(step))
        try:
            if made not in self.made:
                context = self.fitting if hasattr(step.module, "shrink") else self.context
                self.made[made] = applying.applied(
                    [step], self.made[steps], context, self.data, self.tolerance, ROWS
                )
        except NothingToDo:
            if last:
                raise
            return steps
        return made

    def _alike(self, steps: Steps, step: Plugin | None) -> _Outline | None:
        """Return the outline of what a step makes in INT8, by what it made of another graph with
        the same operators; None: there is none. (INT4 leaves small weights as they are.)
        """
        if step is None or step.module.PRECISION != "int8":
            return None
        operators = tuple(node.op_type for node in self.made[steps].graph.graph.node)
        begun = self.met.setdefault((operators, applying.words(step)), steps)
        made = self.outlines.get((*begun, applying.words(step)))
        if begun == steps or made is None:
            return None
        now, then = self.outlines[steps], self.outlines[begun]
        size = made.size + made.stored / then.stored * (now.size - then.size)
        took = made.work._replace(float_us=now.work.float_us, integer_us=now.work.integer_us)
        return made._replace(size=size, weights=now.weights, work=took)

    def _outlined(self, steps: Steps, dialect: str | None) -> _Outline:
        """Return the outline of what these steps made; dialect: what they wrote."""
        if steps not in self.outlines:
            graph = export.finish(self.made[steps].graph, self.data.meta)
            trees = ensembles.nodes(graph.graph)
            nodes, layers = int(trees.sum()), len(graphs.weighted(graph.graph))
            step_rows = getattr(self.made[steps].model.typed, "batch_size", BATCH)
            took = work.of(graph, trees, dialect)
            macs_us = MILLION_MACS * took.million_macs
            row_us = LAYER_US * layers / step_rows + macs_us
            self.outlines[steps] = _Outline(
                size=len(graphs.serialise(graph)),
                stored=graphs.weight_bytes(graph.graph),
                weights=_weights(graph) + nodes,
                nodes=nodes,
                work=took,
                row_us=row_us + NODE_US * nodes * self.features**0.5,
                macs_us=macs_us,
            )
        return self.outlines[steps]

    def _score(self, model: "onnx.ModelProto", dialect: str | None) -> float | None:
        meta, metric = self.data.meta, drops.usual(self.metrics, self.data.meta)
        got = graphs.run(graphs.session(model, dialect=dialect), self.judged[0])
        return scoring.scores(meta.task, self.judged[1], got, [metric], meta.sequence)[metric.name]


def _likely(recipe: list[Plugin], left: float) -> float:
    """Return what a fit is thought to lose; left: the weights, as a share of the fp32 graph's."""
    keeps = [getattr(step.module, "keeps", None) for step in recipe]
    left *= min((k(s.typed) for k, s in zip(keeps, recipe, strict=True) if k), default=1.0)
    anew = any(hasattr(step.module, "becomes") for step in recipe)
    return (ANEW if anew else FURTHER) * max(1 / left - 1, 0.0) ** POWER


def _weights(model: "onnx.ModelProto") -> int:
    """Return how many numbers a graph's constants have, of whatever precision."""
    return sum(math.prod(i.dims) for i in model.graph.initializer) or 1


def _quick(recipe: list[Plugin], start: Parent) -> "list[Plugin | None]":
    """Return, for each step, what gives a graph its shape, with one pass over the data; None: the
    shape stays.
    """
    kept = []
    for at, step in enumerate(recipe):
        if reason := applying.undoes(step, [s.name for s in recipe[:at]]):
            raise NotApplicable(reason, step.name)
        same = getattr(step.module, "SAME_SHAPE", False)
        outline = getattr(step.module, "outline", None)
        asked = same or outline or hasattr(step.module, "convert")
        so_far = replace(start, model=applying.after(recipe[:at], start.model))
        if asked and (reason := applying.unfit(step, so_far)):
            raise NotApplicable(reason, step.name)
        quicker = outline(step.typed, start.model) if outline else None
        fields = type(step.typed).model_fields
        brief = step.with_params(**{name: v for name, v in BRIEF.items() if name in fields})
        kept.append(None if same else quicker or brief)
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
