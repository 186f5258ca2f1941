#!/usr/bin/env python3
"""Measures the graphs of this folder on this device and writes measured.json: python3 measure.py

It needs Linux, Python 3.9, numpy and onnxruntime, and nothing of Temper. Nothing leaves the device.
Every graph is measured with one thread and with all of them, one row a call. A process is started
for every graph, number of threads and round, in shuffled order (Kalibera & Jones 2013: a process
has a speed of its own); it warms up, and only then its calls are timed. All of it is in one file,
because that is copied.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import importlib
import json
import math
import os
import platform
import random
import shlex
import statistics
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

FORMAT = 1
HERE = Path(__file__).resolve().parent
LIBRARIES = ("numpy", "onnxruntime")
WARM_UP_S, LEAST_WARM_UP = 0.1, 3  # calls; a processor takes time to speed up
ROUND_MS = 50  # of timed calls in a round at least: microseconds are many calls
P99_FLOOR = 662  # MLPerf LoadGen's: with fewer calls there is no p99
TAIL = 0.025  # of the interval, on either side
AGREEING = 0.9  # the share of rows whose outputs must be the expected ones; a tree may flip one
POWER_S, POWER_EVERY_S = 3.0, 0.1
CHILD_LIMIT_S = 900
ALLOCATION = ("bad_alloc", "bad allocation", "allocate memory", "MemoryError")
FIGURES = (  # of a row of measured.json; None where its status is not "ok"
    *("samples", "p50_ms", "p50_low", "p50_high", "p99_ms"),
    *("base_rss_mib", "peak_rss_mib", "max_difference", "watts", "energy_mj"),
)


def main() -> None:
    """Run the command line."""
    options = _options()
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        for name in LIBRARIES:
            importlib.import_module(name)
    except ImportError as error:
        sys.exit(
            f"measure.py: {error}, by {sys.executable} (Python {platform.python_version()}). "
            f"Install what it needs: python3 -m pip install {' '.join(LIBRARIES)}"
        )
    manifest = _manifest()
    if options.child:
        index, threads, calls, seconds = options.child
        said = _child(manifest, int(index), int(threads), int(calls), float(seconds))
        print(json.dumps(said), flush=True)
        return
    _verify(manifest)
    content = _measure(manifest, options)
    temporary = options.out.with_name(f".{options.out.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(temporary, options.out)
    print(f"{options.out} is written.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=HERE / "measured.json")
    parser.add_argument("--rounds", type=int, default=10, help="6 or more (default: 10)")
    parser.add_argument(
        "--samples", type=int, default=1000, help="calls of each at least, in all rounds"
    )
    parser.add_argument("--budget-s", type=float, default=600, help="seconds of timed calls")
    power = parser.add_mutually_exclusive_group()
    power.add_argument("--power-file", help="a sensor: /sys/class/hwmon/hwmon2/power1_input")
    power.add_argument("--power-command", help="a command that prints one number")
    parser.add_argument("--power-scale", type=float, default=1.0, help="that number x this = watts")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds < 6 or options.samples < 1 or options.budget_s <= 0:
        parser.error("expected 6 rounds or more (else no interval), samples and a budget above 0")
    return options


def _manifest() -> dict:
    path = HERE / "manifest.json"
    if not path.is_file():
        sys.exit(f"measure.py: no {path}. Run it in the folder that `temper calibrate` wrote.")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    if manifest["format"] != FORMAT:
        sys.exit(f"measure.py: {path}: expected format {FORMAT}, found {manifest['format']}")
    return manifest


def _verify(manifest: dict) -> None:
    """End where a file is not the one that was sent."""
    for path, expected in manifest["files"].items():
        file = HERE / path
        found = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "no such file"
        if found != expected:
            sys.exit(
                f"measure.py: {file}: expected sha256 {expected}, found {found}. Copy it again."
            )


def _child(manifest: dict, index: int, threads: int, calls: int, seconds: float) -> dict:
    """Return what a graph does with some threads: memory, the times of so many calls.

    Without any calls its outputs are held against the expected ones. With `seconds`: how many calls
    fit into them, after a line that says that they begin.
    """
    import numpy as np

    graph = manifest["graphs"][index]
    rows = dict(zip(manifest["inputs"], _arrays(np, "rows.npz")))
    base = _memory_mib("VmRSS")
    session = _session(graph, threads)
    names = [given.name for given in session.get_inputs()]
    count = len(rows[names[0]])
    feeds = [{name: rows[name][i : i + 1] for name in names} for i in range(count)]
    found: dict = {}
    if not calls:
        got = [session.run(graph["compared"], feed) for feed in feeds]
        found = _agreement(np, got, _arrays(np, graph["outputs"]), graph)
    call = _timed(session, graph["compared"][:1], feeds)
    gc.disable()
    found["call_ms"] = statistics.median(_warm_up(call))
    if seconds:
        print("ready", flush=True)
        found |= _for_a_while(call, seconds)
    found["ms"] = [call(i) for i in range(calls)]
    return {**found, "base_rss_mib": base, "peak_rss_mib": _memory_mib("VmHWM")}


def _arrays(np, path: str) -> list:
    """Return the arrays of an .npz in order; texts as the objects that ONNX Runtime takes."""
    with np.load(HERE / path, allow_pickle=False) as kept:
        arrays = [kept[f"arr_{at}"] for at in range(len(kept.files))]
    return [a.astype(object) if a.dtype.kind == "U" else a for a in arrays]


def _session(graph: dict, threads: int):
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    settings.log_severity_level = 3
    for key, value in graph["entries"].items():
        settings.add_session_config_entry(key, value)
    path = str(HERE / graph["path"])
    return onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])


def _agreement(np, got: list, expected: list, graph: dict) -> dict:
    """Return how far outputs are from the expected ones, and the share of rows within tolerance.

    The tolerance counts in shares of the largest expected value of that output.
    """
    largest, agrees = 0.0, np.ones(len(got), bool)
    for at, name in enumerate(graph["compared"]):
        values = np.concatenate([row[at] for row in got]).reshape(len(got), -1)
        wanted = expected[at].reshape(len(got), -1)
        if values.shape != wanted.shape or not np.isfinite(values).all():
            raise ValueError(f"output {name}: expected finite {wanted.shape}, found {values.shape}")
        off = np.abs(values.astype(np.float64) - wanted).max(axis=1)
        largest = max(largest, float(off.max()))
        agrees &= off <= graph["tolerance"] * max(float(np.abs(wanted).max()), 1e-9)
    return {"max_difference": largest, "agreeing": float(agrees.mean())}


def _timed(session, outputs: list, feeds: list):
    """Return a function that makes the n-th call and gives back its milliseconds."""
    run, clock, count = session.run, time.perf_counter_ns, len(feeds)

    def call(at: int) -> float:
        feed = feeds[at % count]
        began = clock()
        run(outputs, feed)
        return (clock() - began) / 1e6

    return call


def _warm_up(call) -> list[float]:
    """Return the times of calls that nobody counts: enough of them, and for long enough."""
    began, took = time.perf_counter(), []
    while len(took) < LEAST_WARM_UP or time.perf_counter() - began < WARM_UP_S:
        took.append(call(len(took)))
    return took


def _for_a_while(call, seconds: float) -> dict:
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        call(count)
        count += 1
    return {"calls": count, "seconds": time.perf_counter() - began}


def _memory_mib(field: str) -> float:
    """Return VmRSS (now) or VmHWM (the most so far) of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {field}")


def _measure(manifest: dict, options: argparse.Namespace) -> dict:
    """Return the content of measured.json."""
    power = _power_source(options)
    idle_w = _watts(power, POWER_S) if power else None
    every = sorted({1, len(os.sched_getaffinity(0))})
    keys = [(index, threads) for index in range(len(manifest["graphs"])) for threads in every]
    before, measured = _conditions(), datetime.now(timezone.utc)
    first = {key: _started(*key) for key in keys}
    rounds = _rounds([key for key in keys if first[key]["status"] == "ok"], first, options)
    rows = []
    for index, threads in keys:
        graph, key = manifest["graphs"][index], (index, threads)
        row = {"graph": graph["sha256"], "variant": graph["variant"], "threads": threads}
        row |= _stated(first[key], rounds.get(key, []))
        if power and row["status"] == "ok":
            row |= _energy(power, index, threads)
        rows.append(row)
        took = f"{row['p50_ms']:.4g} ms" if row["status"] == "ok" else row["reason"]
        print(f"{row['variant']}, threads: {threads}: {took}", flush=True)
    return {
        "format": FORMAT,
        "workload": manifest["workload"],
        "device": manifest["device"],
        "measured": measured.isoformat(timespec="seconds"),
        "machine": _machine(),
        "protocol": {"rounds": options.rounds, "batch": 1, "warm_up_s": WARM_UP_S},
        "before": before,
        "after": _conditions(),
        "idle_w": idle_w,
        "rows": rows,
    }


def _started(
    index: int, threads: int, calls: int = 0, seconds: float = 0, while_running=None
) -> dict:
    """Return what a child says of a graph, with a status; one that is killed is not the end."""
    isolated = ["-I"] if sys.flags.isolated else []  # as this process was started
    command = [sys.executable, *isolated, str(Path(__file__).resolve()), "--child"]
    command += [str(part) for part in (index, threads, calls, seconds)]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )
    assert child.stdout is not None
    noted = while_running() if while_running and child.stdout.readline() == "ready\n" else None
    try:
        said, errors = child.communicate(timeout=CHILD_LIMIT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return {"status": "failed", "reason": f"took longer than {CHILD_LIMIT_S} s"}
    if child.returncode == -9:
        return {"status": "memory", "reason": "killed, as Linux does where memory runs out"}
    if child.returncode:
        last = (errors.strip().splitlines() or [f"ended with code {child.returncode}"])[-1]
        short = any(word in errors for word in ALLOCATION)
        return {"status": "memory" if short else "failed", "reason": last[-300:]}
    found = json.loads(said.splitlines()[-1])
    if found.get("agreeing", 1.0) < AGREEING:
        share, most = f"{found['agreeing']:.0%} of the rows", f"{found['max_difference']:.3g}"
        reason = f"other outputs than expected: {share} agree, the largest difference is {most}"
        return {"status": "differs", "reason": reason}
    return {**found, "status": "ok", "reason": None, "noted": noted}


def _rounds(keys: list, first: dict, options: argparse.Namespace) -> dict:
    """Return what each round said of each graph and number of threads, within the budget."""
    share_ms = 1e3 * options.budget_s / (options.rounds * max(len(keys), 1))
    wanted = -(-options.samples // options.rounds)
    calls = {}
    for key in keys:
        took = first[key]["call_ms"]
        calls[key] = max(1, int(min(share_ms / took, max(wanted, ROUND_MS / took))))
    found: dict = {key: [] for key in keys}
    generator, order = random.Random(0), list(keys)
    for at in range(options.rounds):
        generator.shuffle(order)
        for key in order:
            found[key].append(_started(*key, calls=calls[key]))
        print(f"round {at + 1} of {options.rounds}", flush=True)
    return found


def _stated(first: dict, again: list) -> dict:
    """Return the figures of a graph: p50 is the median of the rounds' medians."""
    found = [first, *again]
    wrong = next((said for said in found if said["status"] != "ok"), None)
    if wrong:
        return {**dict.fromkeys(FIGURES), "status": wrong["status"], "reason": wrong["reason"]}
    medians = sorted(statistics.median(said["ms"]) for said in again)
    every, rank = sorted(ms for said in again for ms in said["ms"]), _rank(len(medians))
    figures = {
        "samples": len(every),
        "p50_ms": statistics.median(medians),
        "p50_low": medians[rank],
        "p50_high": medians[-1 - rank],
        "p99_ms": every[math.ceil(0.99 * len(every)) - 1] if len(every) >= P99_FLOOR else None,
        "base_rss_mib": first["base_rss_mib"],
        "peak_rss_mib": max(said["peak_rss_mib"] for said in found),
        "max_difference": first["max_difference"],
    }
    return {**dict.fromkeys(FIGURES), **figures, "status": "ok", "reason": None}


def _rank(rounds: int) -> int:
    """Return how many of the sorted medians an interval leaves out at either end: their median lies
    in it with 95 % or more, whatever they are distributed like (a sign test's interval).
    """
    below, rank = 0.0, -1
    while below <= TAIL:
        rank += 1
        below += math.comb(rounds, rank) / 2**rounds
    return rank - 1


def _power_source(options: argparse.Namespace):
    """Return a function that reads watts, or None where nothing was named."""
    if options.power_file:
        return lambda: float(Path(options.power_file).read_text()) * options.power_scale
    if options.power_command:
        words = shlex.split(options.power_command)
        return lambda: float(subprocess.check_output(words, timeout=10)) * options.power_scale
    return None


def _watts(power, seconds: float) -> float:
    """Return the mean of what the sensor says for a while."""
    began, found = time.perf_counter(), []
    try:
        while time.perf_counter() - began < seconds:
            found.append(power())
            time.sleep(POWER_EVERY_S)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        sys.exit(f"measure.py: no number from the power sensor: {error}")
    if not 0 < statistics.fmean(found) < math.inf:
        sys.exit(f"measure.py: the power sensor says {found[0]:g} W: expected more than 0")
    return statistics.fmean(found)


def _energy(power, index: int, threads: int) -> dict:
    """Return the watts while a graph runs without a pause, and the millijoules of a call."""
    said = _started(index, threads, 0, POWER_S, lambda: _watts(power, 0.8 * POWER_S))
    if said["status"] != "ok":
        return {}
    energy_mj = 1e3 * said["noted"] * said["seconds"] / said["calls"]
    return {"watts": said["noted"], "energy_mj": energy_mj}


def _machine() -> dict:
    """Return what was measured on; never the host's name."""
    lines = [line.partition(":") for line in (_text("/proc/cpuinfo") or "").splitlines()]
    processor = {name.strip(): value.strip() for name, _, value in lines}
    part = f"{platform.machine()} {processor.get('CPU part', '')}".strip()  # ARM names no model
    return {
        "board": _text("/proc/device-tree/model"),
        "cpu": processor.get("model name") or part,
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20,
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: sys.modules[name].__version__ for name in LIBRARIES},
        "governor": _text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
    }


def _conditions() -> dict:
    """Return what may slow the device down: heat, and on a Raspberry Pi whether it throttles."""
    heat = _text("/sys/class/thermal/thermal_zone0/temp")
    files = sorted(Path("/sys/devices/platform").glob("*/*firmware/get_throttled"))
    throttled = _text(files[0]) if files else None
    return {
        "temperature_c": int(heat) / 1e3 if heat else None,
        "throttled": int(throttled, 16) if throttled else None,
        "load_average": list(os.getloadavg()),
    }


def _text(path) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip("\0\n ") or None
    except OSError:
        return None


if __name__ == "__main__":
    main()
