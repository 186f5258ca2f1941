"""The workload `digits`, or another that is not cleaned, without a flow: prepared, fitted, taken
to variants.

What is there already is not made again.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.workload import Workload, load
from tasks.compress import variants
from tasks.core import child
from tasks.core.fitting import FitContext, training_data
from tasks.core.plugins import Plugin, plugin
from tasks.core.prepared import Prepared
from tasks.features.prepare import prepare

Recipe = list[tuple[str, dict[str, Any]]]
DONE, TOOK = "variant.json", "seconds.json"


def cpu_seconds(function: Callable[..., Any], *args: Any) -> float:
    """Return what a call takes of a processor, in a child process of one thread, as in a flow."""
    return round(child.run(_busy, function, *args).value, 2)


def _busy(function: Callable[..., Any], *args: Any) -> float:
    function(*args)
    return time.process_time()  # since this process began


class Digits:
    """One folder: `prepared`, `fitted/<model>`, `compress/<model>/<label>`."""

    def __init__(
        self, folder: Path, workload: Workload | None = None, seed: int | None = None
    ) -> None:
        self.folder = folder
        self.workload = workload or load("digits")
        if seed is not None:
            self.workload = self.workload.model_copy(update={"seed": seed})
        self.models = {model.name: model for model in self.workload.models}

    @property
    def data(self) -> Prepared:
        """Return the rows, prepared."""
        out, workload = self.folder / "prepared", self.workload
        if not (out / "meta.json").exists():
            dataset = plugin("dataset", workload.ingest.dataset)
            with tempfile.TemporaryDirectory() as raw:
                source = workload.ingest.path and Path(workload.ingest.path).resolve()
                dataset.fetch(dataset.Params(), source, Path(raw))
                reading = dataset.read(Path(raw), dataset.Params(), workload.table)
            table = workload.table.model_copy(update={"columns": reading.columns})
            out.mkdir(parents=True)
            prepare(reading.frame, table, workload.features, workload.seed, out)
        return Prepared(out)

    def fitted(self, name: str) -> Path:
        """Return the folder of a fitted model."""
        out, model = self.folder / "fitted" / name, self.models[name]
        if not out.exists():
            rows, context = training_data(self.data), FitContext(self.workload.seed)
            fit = model.module.fit(rows, model.typed, context)
            with tempfile.TemporaryDirectory(dir=self.folder) as place:
                model.module.save(fit, Path(place))
                shutil.copytree(place, out)
        return out

    def fp32(self, name: str) -> Path:
        """Return the folder of a model's whole graph."""
        out = self.empty(name, "fp32")
        if not (out / DONE).exists():
            metrics, tolerance = self.workload.metrics, self.workload.compress.tolerance
            model, data = self.models[name], self.data.folder
            variants.write_fp32(out, self.fitted(name), model, data, metrics, tolerance)
        return out

    def compressed(self, name: str, label: str, recipe: Recipe) -> tuple[Path, float]:
        """Return the folder of what a recipe makes of a model, and the seconds that it took.

        By a child process of one thread, as in a flow.
        """
        out, parent, fitted = self.empty(name, label), self.fp32(name), self.fitted(name)
        if (out / TOOK).exists():
            return out, json.loads((out / TOOK).read_text())
        params, began = self.workload.compress, time.monotonic()
        techniques = [Plugin(kind="technique", name=n, params=p) for n, p in recipe]
        child.run(
            variants.write_compressed,
            *(out, parent, fitted, self.models[name], label, techniques, self.data.folder),
            *(self.workload.metrics, params.tolerance, params.calibration_rows),
            self.workload.seed,
            seed=self.workload.seed,
        )
        seconds = round(time.monotonic() - began, 2)
        (out / TOOK).write_text(json.dumps(seconds))
        return out, seconds

    def empty(self, name: str, label: str) -> Path:
        out = self.folder / "compress" / name / label
        out.mkdir(parents=True, exist_ok=True)
        return out
