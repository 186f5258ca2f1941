"""Clean and features of a table of sensors: our engines beside pandas and DuckDB, interleaved.

    .venv/bin/pip install duckdb                                 # for the comparison alone
    .venv/bin/python -m benchmarks.frames --rows 1 5             # millions; about ten minutes
    .venv/bin/python -m benchmarks.frames --rows 20 --kill       # 7 GB of memory for pandas
    .venv/bin/python -m benchmarks.frames --rows 1 5 20 --gpu    # with cuDF, RMM's pool

Each engine is a process of its own, timed whole, with its imports. The results of each size go
into benchmarks/results/frames.json, beside those of other sizes, and are drawn in
docs/performance-*.svg.
The data is the reference's (`../shared/benchmarks/frames_reference.py`).
"""

import argparse
import importlib.util
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.frames import charts, measuring, reference
from benchmarks.harness import RESULTS, table, write

BARS = {("polars", 5): 2, ("polars", 20): 2, ("numba", 5): 4, ("numba", 20): 5}
MEMORY_BAR = "4096 at 20 M"


def main() -> None:
    """Measure, print the tables, write the JSON and the charts."""
    asked = arguments()
    with tempfile.TemporaryDirectory(prefix="temper-frames-") as temporary:
        folder = Path(asked.work or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("TEMPER_HOME", str(folder / "home"))
        content = earlier()
        engines = ["pandas", *asked.engines, *(["cudf"] if asked.gpu else [])]
        if not importlib.util.find_spec("duckdb"):
            engines = [engine for engine in engines if engine != "duckdb"]
        for millions in asked.rows:
            source = reference.make(round(millions * 1_000_000), folder)
            print(f"{millions:g} million rows", flush=True)
            if "cold_s" not in content:  # the first call compiles, the next ones find it done
                content["cold_s"] = measuring.once("numba", source, folder / "numba")["wall_s"]
            measuring.once("numba", source, folder / "numba")
            found = measuring.rounds(engines, source, folder, asked.rounds)
            content["sizes"][f"{millions:g}"] = found
            content["sizes"] = dict(sorted(content["sizes"].items(), key=lambda of: float(of[0])))
            save(content)
            if asked.kill and millions == max(asked.rows):
                content["killed"] = {"millions": millions} | measuring.killed(
                    "numba", source, folder
                )
                save(content)
    table(rows(content))


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=float, nargs="+", default=[1, 5, 20], help="in millions")
    parser.add_argument("--engines", nargs="*", default=["numba", "polars", "duckdb"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gpu", action="store_true", help="with cuDF's engine")
    parser.add_argument("--kill", action="store_true", help="kill the largest and go on")
    parser.add_argument("--work", help="a folder for data and results, kept")
    return parser.parse_args()


def earlier() -> dict[str, Any]:
    """Return what other calls have measured."""
    path = RESULTS / "frames.json"
    content = json.loads(path.read_text()) if path.exists() else {"sizes": {}}
    content.pop("machine", None)
    return content


def save(content: dict[str, Any]) -> None:
    """Write the JSON and the charts."""
    content["crossover_rows"] = crossover(content["sizes"])
    write("frames", content)
    charts.draw(content)


def crossover(sizes: dict[str, Any]) -> dict[str, int | None]:
    """Return the rows from which on an engine is faster than pandas, between the sizes measured.

    None: not at any size; the smallest size: at all of them.
    """
    found: dict[str, int | None] = {}
    points = sorted((float(millions), of["speed_up"]) for millions, of in sizes.items())
    for engine in sorted({engine for _, by in points for engine in by}):
        ratios = [(m, by[engine]["median"]) for m, by in points if engine in by]
        slow = [at for at, (_, ratio) in enumerate(ratios) if ratio < 1]
        if not slow:
            found[engine] = round(ratios[0][0] * 1e6)
        elif slow[-1] == len(ratios) - 1:
            found[engine] = None
        else:
            (m0, r0), (m1, r1) = ratios[slow[-1]], ratios[slow[-1] + 1]
            found[engine] = round((m0 + (m1 - m0) * (1 - r0) / (r1 - r0)) * 1e6)
    return found


def rows(content: dict[str, Any]) -> list[tuple[str, Any, str]]:
    """Return the table: what, figure, bar."""
    found: list[tuple[str, Any, str]] = []
    for millions, of in content["sizes"].items():
        for engine, samples in of["samples"].items():
            wall = statistics.median(sample["wall_s"] for sample in samples)
            peak = max(sample["peak_mib"] for sample in samples)
            found.append((f"{millions} M rows, {engine}: median s", f"{wall:.2f}", ""))
            found.append(("  peak MiB", peak, MEMORY_BAR if engine == "numba" else ""))
            if engine != "pandas":
                by = of["speed_up"][engine]
                spread = f"{by['median']} [{by['least']}, {by['most']}]"
                bar = BARS.get((engine, round(float(millions))), "")
                found.append(("  times as fast as pandas", spread, str(bar)))
                equal = all(answer["equal"] for answer in of["equal"][engine].values())
                found.append(("  equal to pandas", equal, "True"))
    found.append(("numba's first call, compiling, smallest size: s", content.get("cold_s"), ""))
    for engine, at in content["crossover_rows"].items():
        found.append((f"{engine} is faster than pandas from rows", at, ""))
    if "killed" in content:
        found.append(("killed and gone on: same bytes", content["killed"]["same_bytes"], "True"))
    return found


if __name__ == "__main__":
    main()
