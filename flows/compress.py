"""compress: every model to one ONNX graph, then the recipes of the sweep, or the best of them.

What recipes begin with that fits a model further is done once for all that begin alike.
"""

import json
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
from tasks.core.scoring import PRIMARY

Pair = tuple[str, str]  # a model and a recipe's label


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
        self.begun: dict[tuple[str, Steps], Artifact] = {}

    def run(self, pairs: list[Pair]) -> None:
        """Make variants."""
        if not pairs:
            return
        names, labels = [name for name, _ in pairs], [label for _, label in pairs]
        done = compress_model.map(
            [self.parents[name] for name in names],
            [self.fitted[name] for name in names],
            [self.models[name] for name in names],
            labels,
            [self.params.plugins(label) for label in labels],
            *self._common(),
            self._begun(pairs),
        ).result()
        self.variants |= dict(zip(pairs, done, strict=True))

    def _begun(self, pairs: list[Pair]) -> list[Artifact | None]:
        """Return what each pair's recipe begins with, made where no other has begun so."""
        begins = [
            beginnings.of(self.params.plugins(label), self.models[name]) for name, label in pairs
        ]
        for at in range(max(map(len, begins))):
            wave: dict[tuple[str, Steps], str] = {}
            for (name, label), own in zip(pairs, begins, strict=True):
                if at < len(own) and (name, own[at]) not in self.begun:
                    wave.setdefault((name, own[at]), label)
            if wave:
                self.begun |= dict(zip(wave, self._shrunk(wave, at), strict=True))
        return [
            self.begun[name, own[-1]] if own else None
            for (name, _), own in zip(pairs, begins, strict=True)
        ]

    def _shrunk(self, wave: dict[tuple[str, Steps], str], at: int) -> list[Artifact]:
        """Return the beginnings of a model and `at` + 1 techniques, each with a recipe's label."""
        names, workload = [name for name, _ in wave], self.workload
        return shrink.map(
            [self.parents[name] for name in names],
            [self.fitted[name] for name in names],
            [self.begun.get((name, steps[:at])) for name, steps in wave],
            [self.models[name] for name in names],
            list(wave.values()),
            [self.params.plugins(label)[at] for label in wave.values()],
            unmapped(self.prepared),
            unmapped(workload.metrics),
            unmapped(self.params.tolerance),
            unmapped(workload.train.threads),
            unmapped(self.params.time_limit_s),
            unmapped(workload.seed),
            unmapped(self.device),
            [self.params.plugins(label)[:at] for label in wave.values()],
        ).result()

    def search(self) -> None:
        """Make the variants that could add most for their time; the rest say why they are not."""
        sketched = self._sketched()
        searches = begin(sketched, self.params.budget)
        self.run([pair for pair in self.every if pair[1] not in sketched[pair[0]]])
        while wave := searches.following():
            self.run(wave)
            for model, label in wave:
                searches.models[model].tell(label, self._lost(model, label))
        self._settle([search.reasons() for search in searches.models.values()])

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
            *self._common(),
        ).result()
        found = [json.loads(artifact.file(FILE).read_text()) for artifact in done]
        return dict(zip(self.models, found, strict=True))

    def _common(self) -> list[Any]:
        """Return the arguments that sketches and variants share, the same for all."""
        params, workload = self.params, self.workload
        return [
            unmapped(self.prepared),
            unmapped(workload.metrics),
            unmapped(params.tolerance),
            unmapped(params.calibration_rows),
            unmapped(params.time_limit_s),
            unmapped(workload.seed),
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
