"""What Temper costs a task over plain Prefect, and over DVC: twelve tasks that do nothing.

.venv/bin/python -m benchmarks.overhead
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import median, no_arguments, project, table, write
from benchmarks.micro import held_server, let_go

TASKS = 12
ROUNDS = 40


def main() -> None:
    """Measure, print the table, write benchmarks/results/overhead.json."""
    no_arguments("overhead", __doc__)
    with project() as environment:
        server = held_server(environment)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.nothing", str(TASKS), str(ROUNDS)],
                env={**environment, "PREFECT_LOGGING_LEVEL": "WARNING"},
                cwd=environment["TEMPER_PROJECT"],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
        finally:
            let_go(server)
    seconds = json.loads(done.stdout.splitlines()[-1]) | dvc()
    figures = {kind: median(values) for kind, values in seconds.items()}
    extra = {  # the median over rounds, in each of which the three were run in turn
        kind: median(
            [1000 * (a - b) / TASKS for a, b in zip(seconds[kind], seconds["plain"], strict=True)]
        )
        for kind in ("cold", "cached")
    }
    table(
        [
            (f"plain Prefect, {TASKS} empty tasks, s", figures["plain"], ""),
            ("Temper, nothing cached, s", figures["cold"], ""),
            ("Temper, all cached, s", figures["cached"], f"{1.3 * figures['plain'] + 1:.2f}"),
            ("Temper over plain, nothing cached, ms a task", round(extra["cold"], 2), "5"),
            ("Temper over plain, all cached, ms a task", round(extra["cached"], 2), "5"),
            (f"`dvc repro`, {TASKS} stages that run, s", figures["dvc_cold"], ""),
            (f"`dvc repro`, {TASKS} stages up to date, s", figures["dvc_cached"], ""),
        ]
    )
    write("overhead", {"tasks": TASKS, "seconds": seconds, "extra_ms_a_task": extra})


def dvc() -> dict[str, list[float]]:
    """Return the seconds of `dvc repro` of as many stages that write a number each."""
    seconds: dict[str, list[float]] = {"dvc_cold": [], "dvc_cached": []}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        stages = "\n".join(
            f"  s{n}:\n    cmd: cp number n{n}\n    deps: [number]\n    outs: [n{n}]"
            for n in range(TASKS)
        )
        (root / "dvc.yaml").write_text(f"stages:\n{stages}\n")
        _dvc(root, "init", "--no-scm", "-q")
        for number in range(3):
            (root / "number").write_text(str(number))
            for kind in seconds:
                began = time.perf_counter()
                _dvc(root, "repro", "-q")
                seconds[kind].append(time.perf_counter() - began)
    return seconds


def _dvc(root: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=root, check=True)


if __name__ == "__main__":
    main()
