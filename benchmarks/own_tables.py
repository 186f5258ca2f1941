"""Runs on real tables: `temper new` and `temper run` on each, and `housing` on its official split.

    .venv/bin/python -m benchmarks.own_tables DATA

DATA is a folder with `california/`, `astro/`, `timeseries/` and `causal/`, as TABLES names them.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from benchmarks.harness import project, table, temper, write

TABLES = {  # workload: file, target
    "handson": ("california/housing_handson_trainval.csv.gz", "median_house_value"),
    "sdss": ("astro/sdss_dr14_skyserver_80pct.parquet", "class"),
    "occupancy": ("timeseries/occupancy_train.csv.gz", "Occupancy"),
    "lalonde": ("causal/lalonde_nsw_dw.csv", "re78"),
}
HOUSING = "california/california_trainval.parquet"


def main() -> None:
    """Run, print the table, write benchmarks/results/own_tables.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.own_tables")
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data.resolve()
    with project() as environment:
        found = {"housing": _run(environment, "housing", f"ingest.path={data / HOUSING}")}
        for name, (file, target) in TABLES.items():
            new = temper(environment, "new", name, "--data", str(data / file), "--target", target)
            if new.code:
                raise RuntimeError(f"temper new {name}: exit code {new.code}:\n{new.output}")
            found[name] = _run(environment, name)
    rows: list[tuple[str, Any, str]] = []
    for name, run in found.items():
        seconds, error = ("480", ".445") if name == "housing" else ("", "")
        rows += [
            (f"{name}: exit code", run["code"], "0"),
            ("  seconds", run["seconds"], seconds),
            (f"  best {run['metric']}, {run['best']}", round(run["value"], 4), error),
            ("  largest relative fp32 difference", f"{run['parity']:.2g}", "1e-4"),
            (f"  p99 of {run['recommended']}, 1 row, ms", run["p99_ms"], "5"),
        ]
    table(rows)
    write("own_tables", {"runs": found})


def _run(environment: dict[str, str], name: str, *settings: str) -> dict[str, Any]:
    """Return how a run went and what it came to, from its report."""
    flags = (part for setting in settings for part in ("--set", setting))
    done = temper(environment, "run", name, *flags)
    place = re.search(r"(?m)^Report: (.*)report\.html$", done.output)
    if done.code not in (0, 3) or not place:
        raise RuntimeError(f"temper run {name}: exit code {done.code}:\n{done.output[-3000:]}")
    report = json.loads((Path(place[1]) / "report.json").read_text())
    board, chosen = report["leaderboard"], report["recommendation"]["chosen"] or {}
    values = {m["name"]: m["metrics"][board["primary"]]["value"] for m in board["models"]}
    best = (max if board["greater_is_better"] else min)(values, key=lambda model: values[model])
    parities = [v["parity"]["max_rel"] for v in report["variants"] if v["label"] == "fp32"]
    return {
        "code": done.code,
        "seconds": round(done.wall_s, 1),
        "judged": report["judged"],
        "rows_judged": report["rows_judged"],
        "metric": board["primary"],
        "best": best,
        "value": values[best],
        "values": values,
        "tied": board["group"],
        "parity": max(parities),
        "recommended": chosen.get("variant"),
        "p99_ms": chosen.get("p99_ms"),
    }


if __name__ == "__main__":
    main()
