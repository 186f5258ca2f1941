"""Small models, fitted and taken to variants, for the tests of `compress` and `benchmark`."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.compress import explained, variants
from tasks.core.fitting import FitContext, FitData
from tasks.core.plugins import Plugin, names
from tasks.core.prepared import Prepared

QUICK: dict[str, dict[str, Any]] = {
    "random_forest": {"trees": 12, "max_leaves": 30},
    "xg_boost": {"rounds": 12, "max_depth": 3},
    "light_gbm": {"rounds": 12, "num_leaves": 8},
    "mlp": {"epochs": 3, "width": 32},
    "convnet": {"epochs": 2, "width": 16},
}
TOLERANCE = 1e-4
TECHNIQUES: dict[str, dict[str, Any]] = {  # what fits small models
    "low_rank": {"energy": 0.7, "epochs": 1},
    "prune_structured": {"epochs": 1},
    "prune_unstructured": {"epochs": 1},
    "ptq_int4": {"least": 64},
    "qat": {"epochs": 1},
    "sparse_2_4": {"epochs": 1},
    "repair": {"max_drop": 0.5},
}
KERAS = ("litert", "keras_int8")  # techniques of the extra `keras`
FOLLOWS = {"repair": ("ptq_int8",)}  # what a technique needs before it


@dataclass
class Study:
    """One prepared table, its fitted models and their variants; each made when asked for."""

    data: Prepared
    folder: Path
    made: dict[str, Path] = field(default_factory=dict)

    @property
    def metrics(self) -> list[Plugin]:
        found = [Plugin(kind="metric", name=name) for name in names("metric")]
        return [m for m in found if self.data.meta.task == m.module.TASK]

    def model(self, name: str) -> Plugin:
        return Plugin(kind="model", name=name, params=QUICK.get(name, {}))

    def fitted(self, name: str) -> Path:
        """Return the folder of a fitted model."""
        folder = self.folder / "fitted" / name
        if not folder.exists():
            folder.mkdir(parents=True)
            X, y, stop = self.data.X("train"), self.data.y("train"), self.data.stop
            meta = self.data.meta
            rows = FitData(
                *(X[stop == 0], y[stop == 0], X[stop == 1], y[stop == 1], meta.task),
                n_classes=len(meta.classes or []),
                image_shape=meta.image_shape,
                sequence=meta.sequence,
                feature_names=meta.feature_names,
            )
            model = self.model(name)
            model.module.save(model.module.fit(rows, model.typed, FitContext()), folder)
        return folder

    def fp32(self, name: str) -> Path:
        """Return the folder of a model's whole graph."""
        key = f"{name}/fp32"
        if key not in self.made:
            self.made[key] = self.empty(key)
            variants.write_fp32(
                *(self.made[key], self.fitted(name), self.model(name), self.data.folder),
                *(self.metrics, TOLERANCE),
            )
        return self.made[key]

    def compressed(self, name: str, recipe_label: str, *recipe: Plugin, rows: int = 64) -> Path:
        """Return the folder of what a recipe made of a model."""
        key = f"{name}/{recipe_label}"
        if key not in self.made:
            self.made[key] = self.empty(key)
            variants.write_compressed(
                *(self.made[key], self.fp32(name), self.fitted(name), self.model(name)),
                *(recipe_label, list(recipe), self.data.folder, self.metrics, TOLERANCE, rows, 0),
            )
        return self.made[key]

    def explained(self, name: str, recipe_label: str, *recipe: Plugin) -> list[explained.Told]:
        """Return what each technique of a variant moved, and its layers."""
        return variants.explain(
            *(self.compressed(name, recipe_label, *recipe), self.fp32(name), self.fitted(name)),
            *(self.model(name), list(recipe), self.data.folder, self.metrics, TOLERANCE, 64),
            FitContext(),
        )

    def empty(self, key: str) -> Path:
        folder = self.folder / "variants" / key
        folder.mkdir(parents=True)
        return folder


def technique(name: str, **params: Any) -> Plugin:
    """Return a technique with its parameters."""
    return Plugin(kind="technique", name=name, params=params)


def recipe_of(name: str) -> list[Plugin]:
    """Return the shortest recipe with a technique in it, its parameters fit for small models."""
    before = [technique(n, **TECHNIQUES.get(n, {})) for n in FOLLOWS.get(name, ())]
    return [*before, technique(name, **TECHNIQUES.get(name, {}))]


def certificate(folder: Path) -> dict[str, Any]:
    """Return a variant's `variant.json`."""
    return json.loads((folder / "variant.json").read_text())
