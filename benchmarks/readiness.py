"""Tomorrow's readiness on fresh seeds: do the drivers name the causes, does the interval hold?

    .venv/bin/python -m benchmarks.readiness [--seeds 1 2 3 4 5]

`temper run readiness` in a fresh project for each seed, offline. The truth is the generator's.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from benchmarks.harness import project, table, temper, write

MODEL, NAIVE = "light_gbm", "persistence"


def main() -> None:
    """Run every seed, print the table, write benchmarks/results/readiness.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readiness")
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3, 4, 5])
    found = {str(seed): _seed(seed) for seed in parser.parse_args().seeds}
    rows: list[tuple[str, Any, str]] = []
    for seed, run in found.items():
        better, low, high = run["better than persistence"]
        rows += [
            (f"seed {seed}: seconds of the run", run["seconds"], "120"),
            ("  drivers", " ".join(run["drivers"][:4]), " ".join(run["causes"][:2])),
            ("  the decoy's place among them", run["decoy's place"], "> 3"),
            ("  better than persistence", f"{better:.1%} [{low:.1%}, {high:.1%}]", "15 %"),
            ("  nights judged", run["nights"], "700"),
            ("  80 % interval covers", f"{run['covered']:.1%}", "77-83 %"),
            ("  R² (best possible .5)", round(run["r2"], 3), ""),
        ]
    held = sum(run["holds"] for run in found.values())
    rows.append(("seeds on which every line holds", f"{held} of {len(found)}", "all"))
    table(rows)
    write("readiness", {"seeds": found})


def _seed(seed: int) -> dict[str, Any]:
    with project() as environment:
        done = temper(environment, "run", "readiness", "--set", f"ingest.options.seed={seed}")
        place = re.search(r"(?m)^Report: (.*)report\.html$", done.output)
        if done.code not in (0, 3) or not place:
            raise RuntimeError(f"exit code {done.code}:\n{done.output[-3000:]}")
        report = json.loads((Path(place[1]) / "report.json").read_text())
    truth, series = report["data"]["source"]["truth"], report["series"]
    causes = [c["column"] for c in sorted(truth["causes"], key=lambda c: -c["share"])]
    shares = series["drivers"][MODEL]
    drivers = sorted(shares, key=lambda name: -shares[name])
    decoy = drivers.index(truth["decoy"]["column"]) + 1
    models = {m["name"]: m for m in report["leaderboard"]["models"]}
    ours, naive = (models[n]["metrics"]["forecast_mae"]["value"] for n in (MODEL, NAIVE))
    gap = models[NAIVE]["judged_vs_best"]  # persistence less the best, paired
    better = [1 - ours / naive, gap["low"] / naive, gap["high"] / naive]
    covered = series["by_step"][MODEL]["covered"]
    rmse = models[MODEL]["metrics"]["forecast_rmse"]["value"]
    variance = truth["signal_sd"] ** 2 + truth["noise_sd"] ** 2
    return {
        "seconds": round(done.wall_s, 1),
        "causes": causes,
        "drivers": drivers,
        "decoy's place": decoy,
        "better than persistence": [round(b, 4) for b in better],
        "covered": covered,
        "nights": report["rows_judged"],
        "r2": 1 - rmse**2 / variance,
        "holds": set(drivers[:2]) == set(causes[:2])
        and decoy > 3
        and better[0] >= 0.15
        and better[1] > 0
        and 0.77 <= covered <= 0.83,
    }


if __name__ == "__main__":
    main()
