"""The budgeted search beside the whole sweep: its share of the time, and of the hypervolume.

    .venv/bin/python -m benchmarks.search [--budget 0.25]

`recipes: all` on networks and trees of `digits`, in two projects: once with `--full`, once without.
Sizes, losses and latencies (ONNX Runtime, one row) are those of the whole sweep; the reference
point is the fp32 graph's size and latency, and its accuracy less five points. Beside it recipes in
random order, as many as its time allows.
"""

import argparse
import json
import random
import re
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.harness import project, table, temper, write
from tasks.compress import beginnings
from tasks.compress.params import Params
from tasks.compress.recipes import ALL
from tasks.compress.search import Point, hypervolume, share_lost
from tasks.core.plugins import Plugin

MODELS = {
    "convnet": {"epochs": 12, "width": 40},
    "mlp": {"bins": 0, "width": 128},
    "light_gbm": {"num_leaves": 8, "learning_rate": 0.15, "feature_fraction": 0.3, "rounds": 150},
    "random_forest": {"feature_share": 0.12, "min_leaf": 1},
}
SETTINGS = {
    "train.models": json.dumps(MODELS),
    "compress.recipes": "all",
    "benchmark.engines": "[onnx_runtime]",
    "benchmark.batch_sizes": "[1]",
    "benchmark.rounds": "60",
    "benchmark.samples": "6000",
    "benchmark.time_budget_s": "60",
    "validate.expectations": "null",
    "recommend.devices": "[]",
}
TASKS = ("sketch", "shrink", "compress", "settle")
ENGINE, ORDERS = "onnx_runtime", 500


def main() -> None:
    """Run both, print the table, write benchmarks/results/search.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search")
    parser.add_argument("--budget", type=float, default=0.25)
    budget = parser.parse_args().budget
    whole, found = _run(1.0), _run(budget)
    points = {model: _points(whole["report"], model) for model in MODELS}
    results = {}
    rows: list[tuple[str, Any, str]] = []
    for model in MODELS:
        results[model] = _held_against(whole, found, model, points[model])
        rows += [(f"{model}: {what}", figure, "") for what, figure in results[model].items()]
    seconds = [sum(run["seconds"].values()) for run in (whole, found)]
    share = fmean(r["share of the hypervolume"] for r in results.values())
    rows += [
        ("seconds of the whole sweep", round(seconds[0], 1), ""),
        ("share of them", round(seconds[1] / seconds[0], 3), ".25"),
        ("share of the hypervolume, mean of the models", round(share, 4), ".99"),
    ]
    table(rows)
    by_task = {"whole": whole["seconds"], "searched": found["seconds"]}
    content = {"budget": budget, "seconds": by_task, "models": results, "points": points}
    write("search", content)


def _run(budget: float) -> dict[str, Any]:
    """Return a run's report, and the seconds of each task of its sweep."""
    flags = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    with project() as environment:
        done = temper(environment, "run", "digits", *flags, "--set", f"compress.budget={budget}")
        place = re.search(r"(?m)^Report: (.*)report\.html$", done.output)
        if done.code not in (0, 3) or not place:
            raise RuntimeError(f"exit code {done.code}:\n{done.output[-3000:]}")
        report = json.loads((Path(place[1]) / "report.json").read_text())
        times = Path(environment["TEMPER_HOME"]) / "times" / "digits.json"
        seconds = json.loads(times.read_text())
    own = {name: s for name, s in seconds.items() if name.split()[0] in TASKS}
    return {"report": report, "seconds": own}


def _points(report: dict[str, Any], model: str) -> dict[str, Point]:
    """Return size, latency and loss of a model's variants, beside its fp32 graph, by recipe."""
    rows = {
        r["variant"]: r["p50_ms"]
        for r in report["benchmark"]["rows"]
        if r["engine"] == ENGINE and r["status"] == "ok"
    }
    stated = {v["label"]: v for v in report["variants"] if v["model"] == model}
    before = stated.pop("fp32")
    return {
        label: (
            v["bytes"] / before["bytes"],
            rows[f"{model}/{label}"] / rows[f"{model}/fp32"],
            share_lost(before["metrics"]["accuracy"], v["metrics"]["accuracy"], "classification"),
        )
        for label, v in stated.items()
        if v["status"] == "ok"
    }


def _held_against(
    whole: dict[str, Any], found: dict[str, Any], model: str, points: dict[str, Point]
) -> dict[str, Any]:
    """Return what the search ran of a model's recipes, in what time, and what that reaches."""
    ran = [
        v["label"]
        for v in found["report"]["variants"]
        if v["model"] == model and v["status"] == "ok" and v["label"] != "fp32"
    ]
    full = {n: s for n, s in whole["seconds"].items() if n.split()[1] == model}
    spent = sum(s for n, s in found["seconds"].items() if n.split()[1] == model)
    volume = hypervolume(list(points.values()))
    needs = _needs(model)
    random_share = fmean(
        hypervolume([points[n] for n in _affordable(full, needs, spent, seed) if n in points])
        / volume
        for seed in range(ORDERS)
    )
    return {
        "recipes run": " ".join(ran),
        "share of the time": round(spent / sum(full.values()), 3),
        "share of the hypervolume": round(hypervolume([points[n] for n in ran]) / volume, 4),
        "the same in random order": round(random_share, 4),
    }


def _needs(model: str) -> dict[str, list[str]]:
    """Return the task runs that make each recipe's variant of a model; some make several."""
    plugin = Plugin(kind="model", name=model, params=MODELS[model])
    recipes = Params(recipes=ALL)
    makes: dict[beginnings.Steps, str] = {}
    needs = {}
    for label in ALL:
        recipe = recipes.plugins(label)
        begins = beginnings.of(recipe, plugin)
        for steps, step in zip(begins, recipe, strict=False):
            makes.setdefault(steps, f"shrink {model} {label} {step.name}")
        needs[label] = [*(makes[steps] for steps in begins), f"compress {model} {label}"]
    return needs


def _affordable(
    seconds: dict[str, float], needs: dict[str, list[str]], budget_s: float, seed: int
) -> list[str]:
    """Return the first recipes of a random order whose time is within a budget."""
    order = random.Random(seed).sample(list(needs), len(needs))
    found: list[str] = []
    ran: set[str] = set()
    for label in order:
        ran |= set(needs[label])
        if sum(seconds[name] for name in ran) > budget_s:
            break
        found.append(label)
    return found


if __name__ == "__main__":
    main()
