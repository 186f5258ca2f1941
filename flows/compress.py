"""compress: every model to one ONNX graph, then the recipes of the sweep, or the best of them.

What recipes begin with that fits a model further is done once for all that begin alike.
"""

import json
from queue import Queue
from typing import Any

from prefect import unmapped

from flows.workload import Workload
from tasks.compress import beginnings
from tasks.compress.beginnings import Steps
from tasks.compress.search import begin, share_lost
from tasks.compress.sketches import FILE
from tasks.compress.task import compress as compress_model
from tasks.compress.task import export, settle, shrink, sketch
from tasks.core.artifacts import Artifact, Made, named
from tasks.core.plugins import Plugin
from tasks.core.scoring import PRIMARY

Pair = tuple[str, str]  # a model and a recipe's label
Beginning = tuple[str, Steps]  # a model and the techniques that have changed it


def compress(name: str, workload: Workload, device: str, made: Made) -> Made:
    """Return every variant: `compress/<model>/fp32` and one a recipe."""
    sweep = _Sweep(workload, device, made)
    if workload.compress.searched:
        sweep.search()
    else:
        sweep.run(sweep.every)
    return named(*sweep.parents.values(), *(sweep.variants[pair] for pair in sweep.every))


class _Sweep:
    """The models' graphs, and what was made of them so far."""

    def __init__(self, workload: Workload, device: str, made: Made) -> None:
        self.workload, self.params, self.device = workload, workload.compress, device
        self.models = {model.name: model for model in workload.models}
        self.fitted = {name: made[f"train/{name}"] for name in self.models}
        self.prepared = made["features/prepared"]
        self.parents: dict[str, Artifact] = dict(
            zip(
                self.models,
                export.map(
                    list(self.fitted.values()),
                    list(self.models.values()),
                    unmapped(self.prepared),
                    unmapped(workload.metrics),
                    unmapped(self.params.tolerance),
                    unmapped(self.params.time_limit_s),
                ).result(),
                strict=True,
            )
        )
        self.every = [(model, label) for model in self.models for label in self.params.recipes]
        self.variants: dict[Pair, Artifact] = {}
        self.begun: dict[Beginning, Artifact] = {}
        self.waiting: dict[Beginning, list[Pair]] = {}  # for what is being begun
        self.ended: Queue[tuple[Any, Any]] = Queue()  # pairs and beginnings, with their futures

    def run(self, pairs: list[Pair]) -> None:
        """Make variants."""
        for pair in pairs:
            self._start(pair)
        for pair in pairs:
            self._wait_for(pair)

    def search(self) -> None:
        """Make the variants that could add most for their time; the rest say why they are not."""
        sketched = self._sketched()
        searches = begin(sketched, self.params.budget)
        unknown = [pair for pair in self.every if pair[1] not in sketched[pair[0]]]
        for pair in unknown:
            self._start(pair)
        while True:
            for pair in searches.following():
                self._start(pair)
            if not (first := searches.first()):
                break
            self._wait_for(first)
            searches.tell(first[0], self._lost(*first))
        for pair in unknown:
            self._wait_for(pair)
        self._settle([search.reasons() for search in searches.models.values()])

    def _start(self, pair: Pair) -> None:
        """Start the next task that a variant needs; those after it follow once it has ended."""
        name, label = pair
        recipe, begun = self.params.plugins(label), None
        for at, steps in enumerate(beginnings.of(recipe, self.models[name]), 1):
            key = (name, steps)
            if key not in self.begun:
                if key not in self.waiting:
                    self._submit(key, shrink, *self._shrinking(pair, recipe[:at], begun))
                self.waiting.setdefault(key, []).append(pair)
                return
            begun = self.begun[key]
        common = (self.fitted[name], self.models[name], label, recipe, *self._common())
        self._submit(pair, compress_model, self.parents[name], *common, begun)

    def _submit(self, key: Any, task: Any, *args: Any) -> None:
        future = task.submit(*args)
        future.add_done_callback(lambda done: self.ended.put((key, done)))

    def _wait_for(self, pair: Pair) -> None:
        """Wait for a variant; meanwhile whatever ends lets those start that go on from it."""
        while pair not in self.variants:
            key, future = self.ended.get()
            if key in self.waiting:
                self.begun[key] = future.result()
                for waiting in self.waiting.pop(key):
                    self._start(waiting)
            else:
                self.variants[key] = future.result()

    def _shrinking(self, pair: Pair, steps: list[Plugin], begun: Artifact | None) -> list[Any]:
        """Return the arguments of a task that does the last of some techniques on what the others
        have `begun`.
        """
        (name, label), workload = pair, self.workload
        of_model = (self.parents[name], self.fitted[name], begun, self.models[name])
        return [
            *(*of_model, beginnings.words(label, steps), steps[-1]),
            *(self.prepared, workload.metrics, self.params.tolerance, workload.train.threads),
            *(self.params.time_limit_s, workload.seed, self.device, steps[:-1]),
        ]

    def _settle(self, reasons: list[dict[str, tuple[str, str]]]) -> None:
        """Keep, for each model in turn, status and reason of the variants that are not made."""
        recipes = [{label: self.params.plugins(label) for label in why} for why in reasons]
        done = settle.map(list(self.models.values()), recipes, reasons).result()
        for name, made in zip(self.models, done, strict=True):
            self.variants |= {(name, a.name.rpartition("/")[2]): a for a in made}

    def _sketched(self) -> dict[str, dict[str, Any]]:
        """Return each model's sketches, by recipe."""
        recipes = {label: self.params.plugins(label) for label in self.params.recipes}
        done = sketch.map(
            list(self.parents.values()),
            list(self.fitted.values()),
            list(self.models.values()),
            unmapped(recipes),
            *map(unmapped, self._common()),
        ).result()
        found = [json.loads(artifact.file(FILE).read_text()) for artifact in done]
        return dict(zip(self.models, found, strict=True))

    def _common(self) -> list[Any]:
        """Return the arguments that sketches and variants share, the same for all."""
        params, workload = self.params, self.workload
        return [
            *(self.prepared, workload.metrics, params.tolerance),
            *(params.calibration_rows, params.time_limit_s, workload.seed),
        ]

    def _lost(self, model: str, label: str) -> float | None:
        """Return what a variant lost, as `search` counts it; None: it came to nothing."""
        task = self.workload.table.task
        before, after = (_stated(a) for a in (self.parents[model], self.variants[model, label]))
        if after["status"] != "ok":
            return None
        metric = PRIMARY[task]
        return share_lost(before["metrics"].get(metric), after["metrics"].get(metric), task)


def _stated(variant: Artifact) -> dict[str, Any]:
    return json.loads(variant.file("variant.json").read_text())
