"""What the scripts share: a project in a temporary folder, timed commands, the results."""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tasks.benchmark.machine import describe

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
POLL_S = 0.1
OWN = ("TEMPER_", "PREFECT_", "DVC_", "MLFLOW_", "COV")  # settings that a project does not inherit


class Timed(NamedTuple):
    """How a command went: exit code, seconds, and (0 unless it was watched) the most memory of its
    processes at once.
    """

    code: int
    wall_s: float
    peak_mib: float
    output: str


def no_arguments(script: str, doc: str | None) -> None:
    """Answer `--help`, and refuse any other argument, before a script begins."""
    first = (doc or "").strip().splitlines()[0]
    argparse.ArgumentParser(prog=f"python -m benchmarks.{script}", description=first).parse_args()


@contextmanager
def project(source: Path = ROOT) -> Iterator[dict[str, str]]:
    """Give the environment of a fresh copy of a project's files, with a Temper home of its own."""
    with tempfile.TemporaryDirectory(
        prefix="temper-benchmark-",
        ignore_cleanup_errors=True,  # its server may live a moment longer
    ) as folder:
        root = Path(folder) / "project"
        listed = subprocess.run(
            ["git", "ls-files", "-coz", "--exclude-standard"],
            cwd=source,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for name in filter(None, listed.split("\0")):
            if (source / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / name, root / name)
        for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "start")):
            identity = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost")
            subprocess.run(["git", *identity, *arguments], cwd=root, check=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(OWN)}
        environment |= {"PYTHONPATH": str(root), "TEMPER_PROJECT": str(root)}
        environment["TEMPER_HOME"] = str(root / ".temper")
        yield environment


def temper(environment: dict[str, str], *arguments: str, watched: bool = False) -> Timed:
    """Run a `temper` command in a project, as a process of its own."""
    return timed([sys.executable, "-m", "flows.cli", *arguments], environment, watched)


def timed(command: list[str], environment: dict[str, str], watched: bool = False) -> Timed:
    """Run a command; measure its wall time, and where it is watched the memory of all its
    processes (PSS): that takes time of its own.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=environment["TEMPER_PROJECT"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    peak = [0.0]
    stop = threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peak, stop))
    if watched:
        watcher.start()
    output, _ = process.communicate()
    wall = time.perf_counter() - start
    stop.set()
    if watched:
        watcher.join()
    return Timed(process.returncode, wall, peak[0], output)


def median(values: list[float]) -> float:
    """Return the median, rounded to milliseconds."""
    return round(statistics.median(values), 3)


def write(name: str, content: dict[str, Any]) -> None:
    """Write a script's result, with the machine it was measured on."""
    RESULTS.mkdir(exist_ok=True)
    machine = {
        "cores": os.cpu_count(),
        "cpu_flags": describe(())["cpu_flags"],  # what decides INT8's speed
        "load_average": [round(value, 2) for value in os.getloadavg()],
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "versions": {n: metadata.version(n) for n in ("prefect", "dvc", "polars", "onnxruntime")},
    }
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine} | content, indent=1) + "\n")
    print(f"-> {path.relative_to(ROOT)}")


def table(rows: list[tuple[str, Any, str]]) -> None:
    """Print rows of (what, figure, bar)."""
    print(f"{'what':58} {'figure':>18}   bar")
    for what, figure, bar in rows:
        print(f"{what:58} {figure!s:>18}   {bar}")


def _watch(pid: int, peak: list[float], stop: threading.Event) -> None:
    """Note the largest sum of PSS over a process and its descendants (the server is none)."""
    while not stop.wait(POLL_S):
        try:
            root = psutil.Process(pid)
            family = [root, *root.children(recursive=True)]
        except psutil.Error:
            return
        total = 0.0
        for process in family:
            try:
                total += process.memory_full_info().pss / 2**20
            except psutil.Error:  # it ended meanwhile
                continue
        peak[0] = max(peak[0], total)
