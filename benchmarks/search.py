"""The budgeted search beside the whole sweep: its share of the time, and of the hypervolume.

    .venv/bin/python -m benchmarks.search [--budget 0.25] [--seeds 0 1 …] [--work FOLDER]
        [--workload mnist --set ingest.path=mnist.npz …] [--models mlp light_gbm …]

`recipes: all` on networks and trees of a workload, `digits` if none is named; one of your own comes
from `temper new`. Each recipe is made once; the search is then told what came of those that it asks
for. Time is that of a processor, in a process for each task, so that what else a machine does
counts little. Sizes, losses and latencies (ONNX Runtime, one row) are those of the whole sweep; a
variant is as fast as its fp32 graph unless the interval of its speed-up says otherwise. The
reference point is the fp32 graph's size and latency, and its accuracy less five points, or its
error and five percent. Beside it what a good choice of recipes would reach, known afterwards, and
recipes in random order in the search's time. FOLDER keeps what was made.
"""

import argparse
import hashlib
import json
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.digits import Digits, cpu_seconds
from benchmarks.harness import table, write
from benchmarks.timed import latencies
from flows.running import preload
from flows.workload import load
from tasks.compress import beginnings, sketches, variants
from tasks.compress.beginnings import Steps
from tasks.compress.drops import usual
from tasks.compress.params import Params
from tasks.compress.search import Point, begin, hypervolume, share_lost
from tasks.core import child
from tasks.core.fitting import FitContext

MODELS = ("convnet", "mlp", "light_gbm", "random_forest")
SWEEP = Params.model_validate({"recipes": "all"})
ENGINE, ORDERS = "onnx_runtime", 500
Seconds = dict[str, float]  # of a task: `sketch`, a beginning or a recipe's label


def main() -> None:
    """Make and measure all, search; print the table, write benchmarks/results/search.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search")
    parser.add_argument("--budget", type=float, default=0.25)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0], help="of data and fits")
    parser.add_argument("--work", type=Path, help="a folder to keep; else a temporary one")
    parser.add_argument("--workload", default="digits")
    parser.add_argument("--models", nargs="*", default=MODELS, help="of the workload's, by name")
    parser.add_argument("--set", action="append", default=[], help="path.to.key=value")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = given.work or Path(temporary)
        found = {str(seed): _of_seed(given, seed, place / str(seed)) for seed in given.seeds}
    means = {
        what: round(fmean(of[what] for of in found.values()), 4)
        for what in ("share", "time", "best", "random order")
    }
    rows: list[tuple[str, Any, str]] = []
    for seed, of in found.items():
        told = ", ".join(f"{n} {len(m['ran'])}: {m['share']:.3f}" for n, m in of["models"].items())
        rows.append((f"seed {seed}: recipes and share of {told}", of["share"], ".99"))
        rows.append(("  share of the sweep's processor seconds", of["time"], given.budget))
    rows += [
        ("mean: share of the hypervolume", means["share"], ".99"),
        ("  of the sweep's processor seconds", means["time"], given.budget),
        ("  a good choice for the budget, known afterwards", means["best"], ""),
        ("  random order, in the search's time", means["random order"], ""),
    ]
    table(rows)
    name = "search" if given.workload == "digits" else f"search_{given.workload}"
    write(name, {"budget": given.budget, "means": means, "seeds": found})


def _of_seed(given: argparse.Namespace, seed: int, folder: Path) -> dict[str, Any]:
    """Return what the search reaches with one seed, and in which share of the sweep's time."""
    digits = Digits(folder, load(given.workload, given.set), seed)
    child.warm(preload(digits.workload))  # as a run does: else each task imports torch anew
    sweeps = {name: _Sweep(digits, name) for name in given.models}
    for sweep in sweeps.values():
        sweep.make()
    ran = _searched(sweeps, given.budget)
    whole = sum(sum(s.seconds.values()) - s.seconds["sketch"] for s in sweeps.values())
    spent = sum(s.cost(["sketch", *s.tasks(ran[n])]) for n, s in sweeps.items())
    shares = {n: round(s.share(ran[n]), 4) for n, s in sweeps.items()}
    orders = [_in_random_order(list(sweeps.values()), spent, order) for order in range(ORDERS)]
    return {
        "share": round(fmean(shares.values()), 4),
        "time": round(spent / whole, 3),
        "best": _best(list(sweeps.values()), given.budget * whole),
        "random order": round(fmean(orders), 4),
        "whole_s": round(whole, 1),
        "models": {
            n: {"ran": ran[n], "share": shares[n], "points": s.points} for n, s in sweeps.items()
        },
    }


class _Sweep:
    """All recipes of a model: what each takes, and where its variant is."""

    def __init__(self, digits: Digits, name: str) -> None:
        self.digits, self.name, self.model = digits, name, digits.models[name]
        self.recipes = {label: SWEEP.plugins(label) for label in SWEEP.recipes}
        self.seconds: Seconds = {}
        self.points: dict[str, Point] = {}
        self.sketches: dict[str, Any] = {}

    def tasks(self, labels: Sequence[str]) -> list[str]:
        """Return the tasks that make these recipes' variants, each once."""
        begins = [b for n in labels for b in beginnings.of(self.recipes[n], self.model)]
        return list(dict.fromkeys([*map(_named, begins), *labels]))

    def cost(self, tasks: list[str]) -> float:
        return sum(self.seconds[task] for task in tasks)

    def share(self, labels: Sequence[str]) -> float:
        """Return the share of the whole sweep's hypervolume that these recipes' variants have."""
        whole = hypervolume(list(self.points.values()))
        reached = hypervolume([self.points[n] for n in labels if n in self.points])
        return reached / whole if whole else 1.0

    def make(self) -> None:
        """Make all, then measure it."""
        digits, data = self.digits, self.digits.data
        self.parent, self.fitted = digits.fp32(self.name), digits.fitted(self.name)
        judged = (data.folder, digits.workload.metrics, digits.workload.compress.tolerance)
        counted = (digits.workload.compress.calibration_rows, digits.workload.seed)
        same = (self.parent, self.fitted, self.model)
        place = digits.empty(self.name, "sketch")
        self._timed("sketch", place, sketches.write, *same, self.recipes, *judged, *counted)
        self.sketches = json.loads((place / sketches.FILE).read_text())
        folders = []
        for label, recipe in self.recipes.items():
            begun = None
            for steps, step in zip(beginnings.of(recipe, self.model), recipe, strict=False):
                place = digits.folder / "begun" / self.name / _digest(steps)
                before = (self.parent, self.fitted, begun, self.model, step)
                fit = FitContext(digits.workload.seed)
                if begun and beginnings.unmade(begun, recipe):
                    for task in self.tasks([label])[:-1]:
                        self.seconds.setdefault(task, 0.0)
                    break
                self._timed(_named(steps), place, beginnings.write, *before, *judged, fit)
                begun = place
            place = digits.empty(self.name, label)
            rest = (label, recipe, *judged, *counted, begun)
            self._timed(label, place, variants.write_compressed, *same, *rest)
            folders.append(place)
        self._measure(folders)

    def _timed(self, task: str, place: Path, function: Any, *args: Any) -> None:
        """Do a task, unless it was done before."""
        took = place / "cpu_seconds.json"
        if task not in self.seconds and not took.exists():
            place.mkdir(parents=True, exist_ok=True)
            took.write_text(json.dumps(cpu_seconds(function, place, *args)))
        self.seconds[task] = json.loads(took.read_text())
        print(f"{self.name} {task}: {self.seconds[task]} s", flush=True)

    def _measure(self, folders: list[Path]) -> None:
        """Take in size, latency and loss of the variants, beside the fp32 graph."""
        stated = {f: json.loads((f / "variant.json").read_text()) for f in (self.parent, *folders)}
        made = [f for f, s in stated.items() if s["status"] == "ok"]
        rows, _ = latencies(made, self.fitted, self.model, self.digits.data, [ENGINE])
        by_label = {r["variant"].partition("/")[2]: r for r in rows if r["status"] == "ok"}
        before, meta = stated[self.parent], self.digits.data.meta
        metric = usual(self.digits.workload.metrics, meta).name
        for folder in made[1:]:
            own = stated[folder]
            lost = share_lost(before["metrics"][metric], own["metrics"][metric], meta.task)
            slower = _slower(by_label[folder.name])
            self.points[folder.name] = (own["bytes"] / before["bytes"], slower, lost)


def _slower(row: dict[str, Any]) -> float:
    """Return a variant's latency as a share of its fp32 graph's; 1 where no difference is shown."""
    alike = row["speedup_low"] <= 1 <= row["speedup_high"]
    return 1.0 if alike else 1 / row["speedup"]


def _named(steps: Steps) -> str:
    return " > ".join(steps)


def _digest(steps: Steps) -> str:
    return hashlib.sha256(_named(steps).encode()).hexdigest()[:16]


def _searched(sweeps: dict[str, _Sweep], budget: float) -> dict[str, list[str]]:
    """Return the recipes of each model that the search runs, as the flow does."""
    searches = begin({name: sweep.sketches for name, sweep in sweeps.items()}, budget)
    ran = {n: [r for r in s.recipes if r not in s.sketches] for n, s in sweeps.items()}
    while True:
        searches.following()
        if not (first := searches.first()):
            break
        name, label = first
        _, _, loss = sweeps[name].points.get(label, (None, None, None))
        searches.tell(name, loss)
        ran[name].append(label)
    return ran


def _best(sweeps: list[_Sweep], budget_s: float) -> float:
    """Return the share of the hypervolume, in the mean of the models, that good recipes reach
    which can be run within a budget; nothing is sketched.
    """
    together = [(0.0, 0.0)]  # seconds and shares, the dearer the more
    for sweep in sweeps:
        sums = [(s + t, v + w) for s, v in together for t, w in _choices(sweep)]
        together = _climbing([one for one in sums if one[0] <= budget_s])
    return round(together[-1][1] / len(sweeps), 4)


def _choices(sweep: _Sweep) -> list[tuple[float, float]]:
    """Return seconds and share of the hypervolume of choices of a model's recipes: each recipe in
    turn is added to all choices so far, and what a cheaper one equals is dropped.
    """
    kept: list[tuple[float, float, tuple[str, ...]]] = [(0.0, 0.0, ())]
    for label in sorted(sweep.points, key=lambda n: -hypervolume([sweep.points[n]])):
        more = [(*chosen, label) for _, _, chosen in kept]
        kept = _climbing([*kept, *((sweep.cost(sweep.tasks(c)), sweep.share(c), c) for c in more)])
    return [(cost, share) for cost, share, _ in kept]


def _climbing(choices: list[Any]) -> list[Any]:
    """Return those choices that no cheaper one equals, the dearer the more."""
    kept: list[Any] = []
    for choice in sorted(choices, key=lambda c: (c[0], -c[1])):
        if not kept or choice[1] > kept[-1][1]:
            kept.append(choice)
    return kept


def _in_random_order(sweeps: list[_Sweep], budget_s: float, seed: int) -> float:
    """Return the share that the first recipes of a random order reach, as many as a budget pays."""
    pairs = [(sweep, label) for sweep in sweeps for label in sweep.recipes]
    random.Random(seed).shuffle(pairs)
    found: dict[str, list[str]] = {sweep.name: [] for sweep in sweeps}
    for sweep, label in pairs:
        found[sweep.name].append(label)
        if sum(s.cost(s.tasks(found[s.name])) for s in sweeps) > budget_s:
            found[sweep.name].pop()
            break
    return fmean(sweep.share(found[sweep.name]) for sweep in sweeps)


if __name__ == "__main__":
    main()
