"""Processes of engines: their seconds and memory, in turn; and one that is killed."""

import hashlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.frames import answers, reference
from benchmarks.harness import ROOT

KILL_SEED = 3
Sample = dict[str, Any]


def command(engine: str, source: Path, out: Path, *more: Path) -> list[str]:
    """Return the command line of an engine; pandas is the reference itself."""
    if engine == "pandas":
        return [sys.executable, str(reference.SCRIPT), "pandas", str(source), str(out)]
    return [
        sys.executable,
        "-m",
        "benchmarks.frames.worker",
        *map(str, (engine, source, out, *more)),
    ]


def once(engine: str, source: Path, out: Path, *more: Path) -> Sample:
    """Return seconds, processor seconds and peak memory of a whole process, and what it says."""
    shutil.rmtree(out, ignore_errors=True)
    began = time.perf_counter()
    process = subprocess.Popen(
        command(engine, source, out, *more), cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None  # it is a pipe
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{engine} ended with {process.returncode}: {said[-2000:]}")
    last = json.loads(said.splitlines()[-1])
    return {
        "wall_s": round(wall, 3),
        "work_s": last.get("work_s", last.get("seconds")),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": round(usage.ru_maxrss / 1024),
        "engines": sorted(set(last.get("engines", [engine]))),
    }


def rounds(engines: list[str], source: Path, folder: Path, count: int) -> dict[str, Any]:
    """Return samples of all engines, one after the other in each round, and whether they agree."""
    samples: dict[str, list[Sample]] = {engine: [] for engine in engines}
    windows = dict(reference.work().windows)
    equal = {}
    loads = []
    for number in range(count):
        turn = engines[number % len(engines) :] + engines[: number % len(engines)]
        for engine in turn:
            loads.append(round(os.getloadavg()[0], 1))
            samples[engine].append(once(engine, source, folder / engine))
            print(f"  round {number + 1}, {engine}: {samples[engine][-1]}", flush=True)
        if number == 0:
            equal = {
                engine: answers.compare(folder / engine, folder / "pandas", windows)
                for engine in engines
                if engine != "pandas"
            }
            print(f"  {equal}", flush=True)
    return {
        "samples": samples,
        "equal": equal,
        "load_average": loads,
        "speed_up": {engine: speed_up(samples, engine) for engine in engines if engine != "pandas"},
    }


def speed_up(samples: dict[str, list[Sample]], engine: str) -> dict[str, float]:
    """Return how many times faster than pandas: the median over rounds, the least and the most."""
    pairs = zip(samples["pandas"], samples[engine], strict=True)
    ratios = [theirs["wall_s"] / mine["wall_s"] for theirs, mine in pairs]
    cpu = [
        theirs["cpu_s"] / mine["cpu_s"]
        for theirs, mine in zip(samples["pandas"], samples[engine], strict=True)
    ]
    return {
        "median": round(statistics.median(ratios), 2),
        "least": round(min(ratios), 2),
        "most": round(max(ratios), 2),
        "processor": round(statistics.median(cpu), 2),
    }


def killed(engine: str, source: Path, folder: Path) -> dict[str, Any]:
    """Return how it went on after a SIGKILL in the middle: the parts kept, and whether the bytes
    are those of a run that nobody killed.
    """
    once(engine, source, folder / "whole")
    whole = digests(folder / "whole")
    parts = len([name for name in whole if name.startswith("features")])
    after = random.Random(KILL_SEED).randrange(1, max(parts - 1, 2))
    out, kept = folder / "killed", folder / "kept"
    for place in (out, kept):
        shutil.rmtree(place, ignore_errors=True)
    process = subprocess.Popen(
        command(engine, source, out, kept), cwd=ROOT, stdout=subprocess.DEVNULL
    )
    mark = kept / "features" / f"{after - 1:05}.parquet"
    while not mark.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = len(list((kept / "features").glob("*.parquet")))
    again = once(engine, source, out, kept)
    same = digests(out) == whole
    shutil.rmtree(kept)
    return {"parts": parts, "kept": finished, "again": again, "same_bytes": same}


def digests(out: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of the results."""
    found = {}
    for path in sorted(out.glob("*/*.parquet")):
        with open(path, "rb") as file:
            found[str(path.relative_to(out))] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
