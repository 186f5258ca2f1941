"""Slots under kills: how soon a dead holder's slot is back, and whether there are ever too many.

    .venv/bin/python -m benchmarks.slots            # about six minutes
    .venv/bin/python -m benchmarks.slots --short    # prints JSON, writes nothing

Each holder appends begin and end to a file of its own, by the machine's monotonic clock; a killed
one's interval ends at its kill. What is counted are these intervals, not the locks.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness import table, write
from benchmarks.slots.stress import stress
from benchmarks.slots.workers import POOL, WORK_S, Worker, keep_working, stay, take
from tasks.core import server

SEED = 7
STREAM = 4  # processes
SETTLE_S = 0.1  # until a process that said it begins waits
THREE = ("slot", "killed-of-three", 3)
SLOT, WORK, ALONE = ("slot", "killed", 1), ("working", "cpu"), ("quiet", "cpu")


class Sizes(NamedTuple):
    """How much is measured."""

    kills: int = 100  # of the holder of a single slot
    processes: int = 32
    stress_s: float = 60.0
    waiting_s: float = 20.0
    other_kills: int = 20
    measurements: int = 20
    starving_s: float = 20.0
    settle_s: float = 90.0  # a lease of 60 s, and the server's look for those that ended


SHORT = Sizes(10, 8, 3.0, 0.5, 1, 2, 1.0, 0.0)


def main() -> None:
    """Measure, print the table, write benchmarks/results/slots.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slots")
    parser.add_argument("--short", action="store_true", help="print JSON, write nothing")
    short = parser.parse_args().short
    POOL.set_forkserver_preload(
        ["numpy", "benchmarks.harness", "tasks.core.slots", "prefect.client.orchestration"]
    )
    with tempfile.TemporaryDirectory(prefix="temper-slots-") as folder:
        own = not (short and "TEMPER_HOME" in os.environ)
        if own:
            os.environ["TEMPER_HOME"] = folder
            os.environ.pop("PREFECT_API_URL", None)
        server.connect()
        try:
            measured = measure(SHORT if short else Sizes(), Path(folder))
        finally:
            server.stop_linger()
            while own and server.running():  # it would make its folders anew
                time.sleep(0.1)
    if short:
        print(json.dumps(measured))
        return
    table(rows(measured))
    write("slots", {"seed": SEED, "sizes": Sizes()._asdict(), **measured})


def measure(sizes: Sizes, folder: Path) -> dict[str, Any]:
    """Return all figures."""
    return {
        "slot_back_s": {
            "one slot": spread(taken_over(sizes.kills, SLOT, SLOT)),
            "three slots": spread(taken_over(sizes.other_kills, THREE, THREE, beside=2)),
        },
        "stress": [
            stress(
                count,
                sizes.processes,
                sizes.stress_s,
                sizes.settle_s,
                SEED,
                folder / f"stress-{count}",
            )
            for count in (1, 3)
        ],
        "waiting_ms_cpu_a_second": waiting_cost(sizes.waiting_s),
        "lane_back_s": {
            "work waits for a measurement": spread(taken_over(sizes.other_kills, ALONE, WORK)),
            "a measurement waits for work": spread(taken_over(sizes.other_kills, WORK, ALONE)),
            "a measurement waits for another": spread(taken_over(sizes.other_kills, ALONE, ALONE)),
        },
        "measurement_in_a_stream_of_work": in_a_stream(sizes, folder / "plain"),
    }


def rows(measured: dict[str, Any]) -> list[tuple[str, Any, str]]:
    """Return the table: what, figure, bar."""
    found: list[tuple[str, Any, str]] = []
    for what, back in measured["slot_back_s"].items():
        found += [
            (f"{what}: back after {back['n']} kills, p50, s", back["p50"], ""),
            ("  p99, s", back["p99"], "1"),
            ("  max, s", back["max"], ""),
        ]
    for run in measured["stress"]:
        what = f"{run['processes']} processes, {run['slots']} slots, {run['seconds']:.0f} s"
        found += [
            (f"{what}: most holders at once", run["most_holders"], str(run["slots"])),
            ("  most that Prefect showed", run["most_active_slots"], str(run["slots"])),
            ("  until Prefect shows none after the end, s", run["none_shown_after_s"], "75"),
            ("  held, by how many that were killed", f"{run['held']}, {run['killed']}", ""),
            ("  longest time without a holder, s", run["longest_empty_s"], ""),
        ]
    for who, cost in measured["waiting_ms_cpu_a_second"].items():
        found.append((f"CPU while waiting, {who}, ms a second", cost, "10"))
    for what, times in measured["lane_back_s"].items():
        found.append((f"killed: {what}, p99, s", times["p99"], "1"))
    lane = measured["measurement_in_a_stream_of_work"]
    found.append(("a measurement in a stream of work waits, max, s", lane["waits_s"]["max"], ""))
    given_up = lane["without_the_gate_s"] is None
    plain = f"over {lane['given_up_s']:g}" if given_up else lane["without_the_gate_s"]
    found.append(("  by the kernel's lock alone, s", plain, ""))
    return found


def taken_over(
    kills: int, held: tuple[Any, ...], wanted: tuple[Any, ...], beside: int = 0
) -> list[float]:
    """Return the seconds from each kill of a holder until the process that waits is the holder.

    `beside`: how many other holders there are, that live.
    """
    times = []
    others = [Worker(stay, *held) for _ in range(beside)]
    for other in others:
        other.told("begins")
        other.told("held")
    for _ in range(kills):
        holder = Worker(stay, *held)
        holder.told("begins")
        holder.told("held")
        waiter = Worker(stay, *wanted)
        waiter.told("begins")
        time.sleep(SETTLE_S)
        killed = holder.kill()
        times.append(waiter.told("held") - killed)
        waiter.end()
    for other in others:
        other.end()
    return times


def waiting_cost(seconds: float) -> dict[str, float]:
    """Return the CPU milliseconds a second of processes that wait, by what they wait for."""
    costs = {}
    for count in (1, 3):
        crowd = [Worker(stay, "slot", f"waiting-{count}", count) for _ in range(count)]
        for worker in crowd:
            worker.told("begins")
            worker.told("held")
        for place in ("first", "second"):
            waiter = Worker(stay, "slot", f"waiting-{count}", count)
            waiter.told("begins")
            time.sleep(SETTLE_S)
            before = waiter.cpu_ms()
            time.sleep(seconds)
            costs[f"{place} for {count} slots"] = round((waiter.cpu_ms() - before) / seconds, 3)
            crowd.append(waiter)
        for worker in crowd:
            worker.end()
    return costs


def in_a_stream(sizes: Sizes, plain: Path) -> dict[str, Any]:
    """Return how long measurements wait for the lane in a stream of work that never pauses."""
    works = [Worker(keep_working, None) for _ in range(STREAM)]
    waits = []
    for _ in range(sizes.measurements):
        time.sleep(WORK_S)
        measurement = Worker(stay, *ALONE)
        begins = measurement.told("begins")
        waits.append(measurement.told("held") - begins)
        measurement.end()
    for work in works:
        work.end()
    works = [Worker(keep_working, plain) for _ in range(STREAM)]
    time.sleep(WORK_S)
    begins = time.monotonic()
    alone = Worker(take, plain)
    got = alone.told("held") - begins if alone.link.poll(sizes.starving_s) else None
    alone.kill()
    for work in works:
        work.end()
    return {"waits_s": spread(waits), "without_the_gate_s": got, "given_up_s": sizes.starving_s}


def spread(seconds: list[float]) -> dict[str, float]:
    """Return count, p50, p99 and max."""
    p50, p99 = np.percentile(seconds, [50, 99])
    return {"n": len(seconds)} | {
        name: round(float(value), 4)
        for name, value in (("p50", p50), ("p99", p99), ("max", max(seconds)))
    }


if __name__ == "__main__":
    main()
