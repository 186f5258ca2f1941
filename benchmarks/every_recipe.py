"""Every technique on the digits: how long the sweep takes, and whether its certificates hold.

    .venv/bin/python -m benchmarks.every_recipe [--work FOLDER]

Each variant is then opened by benchmarks/standalone.py, in a process that cannot import Temper.
FOLDER keeps what was made: the command goes on from there when it is started again.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.digits import Digits, Recipe
from benchmarks.harness import table, write
from tasks.compress.params import Params

MODELS = ("convnet", "mlp", "light_gbm", "random_forest")
SWEEP = Params.model_validate({"recipes": "all"})
RECIPES: dict[str, Recipe] = {
    label: [(step.name, step.params) for step in SWEEP.plugins(label)] for label in SWEEP.recipes
}
STANDALONE = Path(__file__).with_name("standalone.py")
# Site packages by their folder, without the .pth files by which an editable install is found.
BARE = """
import importlib.util, runpy, sys
sys.path.append(sys.argv[1])
sys.argv = sys.argv[2:]
assert importlib.util.find_spec("tasks") is None, "Temper can be imported"
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def main() -> None:
    """Make every variant, check them, print the table, write benchmarks/results/every_recipe.json.

    Exit code 1: a certificate does not hold.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.every_recipe")
    parser.add_argument("--work", type=Path, help="a folder to keep; else a temporary one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        digits = Digits(given.work or Path(temporary))
        sweeps = {name: swept(digits, name, RECIPES) for name in MODELS}
        code, rows = held(digits)
    _state(sweeps, rows)
    sys.exit(code)


def swept(digits: Digits, name: str, recipes: dict[str, Recipe]) -> dict[str, Any]:
    """Return what every recipe, one after the other, made of a model, and the seconds it took."""
    made = {}
    for label, recipe in recipes.items():
        folder, seconds = digits.compressed(name, label, recipe)
        stated = json.loads((folder / "variant.json").read_text())
        keys = ("status", "reason", "bytes", "weight_bytes", "metrics")
        made[label] = {**{key: stated[key] for key in keys}, "seconds": seconds}
        print(f"{name}/{label}: {stated['status']}, {seconds} s", flush=True)
    seconds = round(sum(one["seconds"] for one in made.values()), 1)
    return {"seconds": seconds, "variants": made}


def held(digits: Digits) -> tuple[int, list[dict[str, Any]]]:
    """Return standalone.py's exit code for all variants, and the rows of its table."""
    rows = digits.data.folder / f"{digits.data.meta.judged}.parquet"
    packages = Path(importlib.util.find_spec("numpy").origin).parents[1]  # type: ignore[union-attr]
    with tempfile.TemporaryDirectory() as empty:
        out = Path(empty) / "rows.json"
        arguments = [packages, STANDALONE, digits.folder / "compress", rows, "--json", out]
        command = [sys.executable, "-I", "-S", "-c", BARE, *map(str, arguments)]
        done = subprocess.run(command, cwd=empty, check=False)
        return done.returncode, json.loads(out.read_text()) if out.exists() else []


def _state(sweeps: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    made = [v for sweep in sweeps.values() for v in sweep["variants"].values()]
    counted = {
        engine: [r["status"] for r in rows if r["engine"] == engine]
        for engine in ("onnx_runtime", "open_vino")
    }
    seconds = sweeps["convnet"]["seconds"]
    table(
        [
            (f"{len(RECIPES)} recipes on the CNN, each by itself on one core, s", seconds, ""),
            ("variants made", sum(v["status"] == "ok" for v in made), ""),
            ("  failed", sum(v["status"] == "failed" for v in made), "0"),
            *((f"certified again by {e}", found.count("ok"), "") for e, found in counted.items()),
            ("  of them otherwise", sum(f.count("differs") for f in counted.values()), "0"),
            ("tree ensembles, ONNX Runtime alone", counted["open_vino"].count("skipped"), ""),
        ]
    )
    kept = ("variant", "engine", "status", "why", "apart")
    shown = [{key: row.get(key) for key in kept} for row in rows if row["engine"]]
    write("every_recipe", {"sweeps": sweeps, "standalone": shown})


if __name__ == "__main__":
    main()
