"""The sweep of all recipes on the CNN of the digits: what it takes, and what a kill in it costs.

    .venv/bin/python -m benchmarks.sweep [--seed 0]

`temper run digits --until compress --full` in a fresh project, once undisturbed, once killed (the
whole process group, by SIGKILL, at a random instant of its middle half) and started again. The
second must not make again what the first finished, and every graph must have the same bytes.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import project, table, temper, write

COMMAND = (
    *("run", "digits", "--full", "--set", "train.models={convnet: {epochs: 12, width: 40}}"),
    *("--set", "compress.recipes=all"),
)
Runs = set[tuple[str, str]]  # tasks' labels, and the flow run


def main() -> None:
    """Run, kill, run again; print the table, write benchmarks/results/sweep.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep")
    parser.add_argument("--seed", type=int, default=0)
    share = random.Random(parser.parse_args().seed).uniform(0.25, 0.75)
    with project() as environment:
        _until(environment, "compare")
        seconds = _until(environment, "compress")
        straight, every = _graphs(environment), _ran(environment)
    with project() as environment:
        _until(environment, "compare")
        before = _ran(environment)
        _killed(environment, share * seconds)
        finished = _ran(environment, before)
        again = _until(environment, "compress")
        killed, after = _graphs(environment), _ran(environment, before | finished)
    found: dict[str, Any] = {
        "seconds": round(seconds, 1),
        "graphs": len(straight),
        "tasks": len(every),
        "killed after s": round(share * seconds, 1),
        "finished before the kill": len(finished),
        "seconds of the second run": round(again, 1),
        "made twice": sorted({label for label, _ in finished} & {label for label, _ in after}),
        "same bytes": straight == killed,
    }
    bars = {"seconds": "240", "made twice": "[]", "same bytes": "True"}
    table([(what, figure, bars.get(what, "")) for what, figure in found.items()])
    write("sweep", found)


def _until(environment: dict[str, str], step: str) -> float:
    """Run up to a step; return the seconds that it took.

    Raises:
        RuntimeError: its exit code was not 0.
    """
    done = temper(environment, *COMMAND, "--until", step)
    if done.code:
        raise RuntimeError(f"exit code {done.code}: {done.output[-3000:]}")
    return done.wall_s


def _killed(environment: dict[str, str], after_s: float) -> None:
    """Start the sweep, and kill its process group."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *COMMAND, "--until", "compress"],
        env=environment,
        cwd=environment["TEMPER_PROJECT"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(after_s)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _graphs(environment: dict[str, str]) -> list[str]:
    """Return the SHA-256 of every graph in the store.

    Raises:
        RuntimeError: there is none.
    """
    store = Path(environment["TEMPER_HOME"]) / "store"
    found = [hashlib.sha256(path.read_bytes()).hexdigest() for path in store.rglob("model.onnx")]
    if not found:
        raise RuntimeError(f"no graph in {store}")
    return sorted(found)


def _ran(environment: dict[str, str], but: Runs | None = None) -> Runs:
    """Return the tasks that ran (not cached) when they last ended, but those of earlier runs."""
    traces = Path(environment["TEMPER_HOME"]) / "traces" / "digits"
    entries = [json.loads(path.read_text())[0] for path in traces.glob("*.json")]
    found = {(e["label"], e["flow_run"]) for e in entries if e["state"] == "ran"}
    return found - (but or set())


if __name__ == "__main__":
    main()
