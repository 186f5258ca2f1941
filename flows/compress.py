"""compress: every model to one ONNX graph, then the recipes of the sweep, or the best of them."""

import json
from typing import Any

from prefect import unmapped

from flows.workload import Workload
from tasks.compress.search import begin, share_lost
from tasks.compress.sketches import FILE
from tasks.compress.task import compress as compress_model
from tasks.compress.task import export, sketch
from tasks.core.artifacts import Artifact, Made, named
from tasks.core.scoring import PRIMARY

Pair = tuple[str, str]  # a model and a recipe's label


def compress(name: str, workload: Workload, device: str, made: Made) -> Made:
    """Return every variant: `compress/<model>/fp32` and one a recipe."""
    sweep = _Sweep(workload, made)
    if workload.compress.searched:
        sweep.search()
    else:
        sweep.run(sweep.every)
    return named(*sweep.parents.values(), *(sweep.variants[pair] for pair in sweep.every))


class _Sweep:
    """The models' graphs, and what was made of them so far."""

    def __init__(self, workload: Workload, made: Made) -> None:
        self.workload, self.params = workload, workload.compress
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

    def run(self, pairs: list[Pair], settled: dict[Pair, tuple[str, str]] | None = None) -> None:
        """Make variants; of those that are `settled` only the row that says why not."""
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
            [(settled or {}).get(pair) for pair in pairs],
        ).result()
        self.variants |= dict(zip(pairs, done, strict=True))

    def search(self) -> None:
        """Make the variants that could add most for their time; the rest say why they are not."""
        sketched = self._sketched()
        searches = {model: begin(found, self.params.budget) for model, found in sketched.items()}
        settled = {
            (model, label): ("not_applicable", sketch["reason"])
            for model, found in sketched.items()
            for label, sketch in found.items()
            if "reason" in sketch
        }
        self.run([pair for pair in self.every if pair[1] not in sketched[pair[0]]])
        while wave := [(m, label) for m, s in searches.items() if (label := s.following())]:
            self.run(wave)
            for model, label in wave:
                searches[model].tell(label, self._lost(model, label))
        for model, search in searches.items():
            settled |= {(model, n): ("skipped", why) for n, why in search.reasons().items()}
        self.run(list(settled), settled)

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
