"""CIFAR-10 compressed: size, speed and drop of each recipe, beside the bars.

    .venv/bin/python -m benchmarks.cifar DATA --work FOLDER [--model resnet18] [--epochs 15]

DATA is what `cifar10` reads: CIFAR's binary version, or a pattern of Parquet files. FOLDER keeps
what was fitted and compressed: the command goes on from there when it is started again.
"""

import argparse
import hashlib
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import table, write
from benchmarks.timed import latencies
from tasks.compress import beginnings, variants
from tasks.core.fitting import FitContext, training_data
from tasks.core.plugins import Plugin, names, plugin
from tasks.core.prepared import Prepared
from tasks.core.schema import Table
from tasks.features.params import Params as Features
from tasks.features.prepare import prepare

RECIPES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "int8": [("ptq_int8", {})],
    "pruned_int8": [("prune_structured", {"share": 0.5, "epochs": 4}), ("ptq_int8", {})],
    "qat_int8": [("qat", {}), ("ptq_int8", {})],
    "student": [("distill", {})],
    "int4": [("ptq_int4", {})],
}
BARS = {  # drop in points, times smaller, times faster at one row
    "resnet18": {"int8": (".3", "3.9", "3.3"), "pruned_int8": ("2", "12", "6")},
    "mobilenet_v2": {"int8": (".5", "3", "")},
}
TOLERANCE, CALIBRATION, SEED = 1e-4, 512, 0


def main() -> None:
    """Fit, compress, measure; print the table, write benchmarks/results/cifar_<model>.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cifar")
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument(
        "--model", default="resnet18", choices=["resnet18", "mobilenet_v2", "vgg16"]
    )
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--recipes", nargs="*", default=list(RECIPES), choices=list(RECIPES))
    given = parser.parse_args()
    model = Plugin(
        kind="model", name=given.model, params={"width": given.width, "epochs": given.epochs}
    )
    data = _prepared(given.work / "prepared", given.data)
    fitted, seconds = _fitted(given.work / given.model, model, data, given.threads)
    made = _variants(given.work / given.model, fitted, model, data, given.recipes, given.threads)
    measured, _ = latencies(list(made.values()), fitted, model, data)
    facts = {"model": model.name, **model.params, "fit_s": seconds}
    _state(made, measured, facts, BARS.get(model.name, {}))


def _prepared(folder: Path, source: Path) -> Prepared:
    if not (folder / "meta.json").exists():
        module = plugin("dataset", "cifar10")
        with tempfile.TemporaryDirectory() as raw:
            module.fetch(module.Params(), source.resolve(), Path(raw))
            reading = module.read(
                Path(raw), module.Params(), Table(task="classification", target="label")
            )
        spec = Table(task="classification", target="label", columns=reading.columns)
        folder.mkdir(parents=True, exist_ok=True)
        prepare(reading.frame, spec, Features(), SEED, folder)
    return Prepared(folder)


def _fitted(folder: Path, model: Plugin, data: Prepared, threads: int) -> tuple[Path, float]:
    """Return the folder of the fitted model, and how long its fit took (0: it was there)."""
    out, began = folder / "fitted", time.monotonic()
    if out.exists():
        return out, 0.0
    context = FitContext(SEED, threads, "cpu", folder / "checkpoint")
    fitted = model.module.fit(training_data(data), model.typed, context)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        model.module.save(fitted, Path(place))
        shutil.copytree(place, out)
    return out, round(time.monotonic() - began, 1)


def _variants(
    folder: Path, fitted: Path, model: Plugin, data: Prepared, labels: list[str], threads: int
) -> dict[str, Path]:
    """Return the folder of each variant, made where it is not there."""
    metrics = [Plugin(kind="metric", name=n) for n in names("metric")]
    metrics = [m for m in metrics if data.meta.task == m.module.TASK]
    made = {"fp32": folder / "fp32"}
    if not (made["fp32"] / "variant.json").exists():
        made["fp32"].mkdir(exist_ok=True)
        variants.write_fp32(made["fp32"], fitted, model, data.folder, metrics, TOLERANCE)
    for label in labels:
        made[label] = folder / label
        if (made[label] / "variant.json").exists():
            continue
        made[label].mkdir(exist_ok=True)
        recipe = [Plugin(kind="technique", name=n, params=p) for n, p in RECIPES[label]]
        began = time.monotonic()
        same = (made["fp32"], fitted, model)
        begun = _begun(folder, same, recipe, (data.folder, metrics), threads)
        variants.write_compressed(
            *(made[label], *same, label, recipe, data.folder, metrics),
            *(TOLERANCE, CALIBRATION, SEED, begun),
        )
        print(f"{label}: {time.monotonic() - began:.0f} s", flush=True)
    return made


def _begun(
    folder: Path,
    origin: tuple[Path, Path, Plugin],
    recipe: list[Plugin],
    judged: tuple[Path, list[Plugin]],
    threads: int,
) -> Path | None:
    """Return what a recipe begins with, made where it is not there."""
    begun: Path | None = None
    for steps, step in zip(beginnings.of(recipe, origin[2]), recipe, strict=False):
        name = hashlib.sha256(" ".join(steps).encode()).hexdigest()[:16]
        out, fit = folder / "begun" / name, FitContext(SEED, threads, "cpu", folder / "fits" / name)
        if not (out / beginnings.FILE).exists():
            out.mkdir(parents=True, exist_ok=True)
            before, fitted, model = origin
            beginnings.write(out, before, fitted, begun, model, step, *judged, TOLERANCE, fit)
        begun = out
    return begun


def _state(
    made: dict[str, Path],
    measured: list[dict[str, Any]],
    facts: dict[str, Any],
    bars: dict[str, tuple[str, str, str]],
) -> None:
    stated = {n: json.loads((f / "variant.json").read_text()) for n, f in made.items()}
    before = stated["fp32"]
    rows: list[tuple[str, Any, str]] = [
        ("fp32: accuracy", round(before["metrics"]["accuracy"], 4), ""),
        ("  KB", round(before["bytes"] / 1e3), ""),
    ]
    results: dict[str, Any] = {"fp32": {"bytes": before["bytes"], "metrics": before["metrics"]}}
    for label, variant in stated.items():
        if label == "fp32":
            continue
        if variant["status"] != "ok":
            rows.append((f"{label}: {variant['status']}", variant["reason"], ""))
            continue
        drop, smaller, faster = bars.get(label, ("", "", ""))
        lost = variant["drops"]["accuracy"]
        speeds = {
            r["engine"]: [r[k] for k in ("speedup", "speedup_low", "speedup_high")]
            for r in measured
            if r["variant"].endswith(f"/{label}") and r["status"] == "ok" and r.get("speedup")
        }
        rows += [
            (f"{label}: drop of accuracy, points", round(100 * lost["value"], 2), drop),
            ("  its 95 % bound", round(100 * lost["bound"], 2), "1" if label == "int8" else ""),
            ("  times smaller", round(before["bytes"] / variant["bytes"], 2), smaller),
            *(
                (f"  times faster, {engine}", "{:.2f} [{:.2f}, {:.2f}]".format(*s), faster)
                for engine, s in speeds.items()
            ),
        ]
        results[label] = {
            key: variant[key] for key in ("bytes", "metrics", "drops", "quantised_share", "facts")
        } | {"speedups": speeds}
    table(rows)
    write(f"cifar_{facts['model']}", {"facts": facts, "variants": results})


if __name__ == "__main__":
    main()
