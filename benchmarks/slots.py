"""Slots under kills: how soon a dead holder's slot is back, and whether there are ever too many.

    .venv/bin/python -m benchmarks.slots            # about six minutes
    .venv/bin/python -m benchmarks.slots --short    # prints JSON, writes nothing

Each holder appends begin and end to a file of its own, by the machine's monotonic clock; a killed
one's interval ends at its kill. What is counted are these intervals, not the locks.
"""

import itertools
import json
import multiprocessing
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness import table, write
from tasks.core import locks, server, slots

SEED = 7
HOLD_S = 0.3  # at most, in the stress
WORK_S = 0.2  # of each piece in a stream of work
STREAM = 4  # processes
SETTLE_S = 0.1  # until a process that said it begins waits
POOL = multiprocessing.get_context("forkserver")
Interval = tuple[float, float]
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
    short = "--short" in sys.argv[1:]
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
        "stress": [stress(count, sizes, folder / f"stress-{count}") for count in (1, 3)],
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


class Worker:
    """A process that does one of the functions below, and what it says."""

    def __init__(self, work: Callable[..., None], *args: Any) -> None:
        self.link, theirs = POOL.Pipe()
        self.process: Any = POOL.Process(target=work, args=(theirs, *args), daemon=True)
        self.process.start()
        theirs.close()

    def told(self, word: str) -> float:
        """Return the moment that a process states with a word; it says nothing else before."""
        said, moment = self.link.recv()
        assert said == word, (said, word)
        return moment

    def kill(self) -> float:
        """Kill the process; return the moment."""
        moment = time.monotonic()
        self.process.kill()
        self.process.join()
        return moment

    def end(self) -> None:
        """Let the process leave what it holds, and end."""
        self.link.send("end")
        self.process.join()

    def cpu_ms(self) -> float:
        """Return the CPU time of all threads of the process so far."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(path.read_text().split()[0]) for path in threads) / 1e6


def stay(link: Connection, name: str, *args: Any) -> None:
    """Hold a slot or the lane until told to end."""
    link.send(("begins", time.monotonic()))
    with getattr(slots, name)(*args):
        link.send(("held", time.monotonic()))
        link.recv()


def compete(link: Connection, limit: str, count: int, path: Path) -> None:
    """Hold a limit's slot for a moment again and again, and write down when."""
    chance = random.Random(str(path.name))
    with open(path, "a", buffering=1) as log:
        while not link.poll():
            with slots.slot(limit, count):
                log.write(f"begin {time.monotonic()}\n")
                time.sleep(chance.uniform(0, HOLD_S))
                log.write(f"end {time.monotonic()}\n")


def keep_working(link: Connection, path: Path | None) -> None:
    """Work in short pieces without a pause: through the quiet lane, or by a plain shared lock."""
    while not link.poll():
        with locks.held(path, shared=True) if path else slots.working("cpu"):
            time.sleep(WORK_S)


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


def stress(count: int, sizes: Sizes, folder: Path) -> dict[str, Any]:
    """Return how many held a limit's slots at once, with random kills, by what they wrote."""
    folder.mkdir()
    limit = f"stress-{count}"
    active, stop = [0], threading.Event()
    watcher = threading.Thread(target=_watch, args=(limit, active, stop))
    watcher.start()
    end = time.monotonic() + sizes.stress_s
    kills = _crowd(limit, count, sizes.processes, end, folder)
    stop.set()
    watcher.join()
    held = {path: intervals(path, kills.get(path.name)) for path in folder.iterdir()}
    every = [interval for found in held.values() for interval in found]
    return {
        "slots": count,
        "processes": sizes.processes,
        "seconds": sizes.stress_s,
        "kills": len(kills),
        "held": len(every),
        "killed": sum(interval[1] in kills.values() for interval in every),
        "most_holders": most_at_once(every),
        "most_active_slots": max(active),
        "none_shown_after_s": _settled(limit, sizes.settle_s) if sizes.settle_s else None,
        "longest_empty_s": round(longest_gap([i for i in every if i[0] < end]), 3),
    }


def _crowd(limit: str, count: int, size: int, end: float, folder: Path) -> dict[str, float]:
    """Let processes compete, kill and replace them at random, every other time one that has a slot
    or is about to; return each kill's moment.
    """
    chance, numbers = random.Random(SEED), itertools.count()
    crowd: dict[str, Worker] = {}
    kills: dict[str, float] = {}
    while time.monotonic() < end:
        while len(crowd) < size:
            name = str(next(numbers))
            crowd[name] = Worker(compete, limit, count, folder / name)
        time.sleep(chance.uniform(0.1, 0.5))
        held = {holder["pid"] for holder in slots.holders()}
        holders = [name for name, worker in crowd.items() if worker.process.pid in held]
        name = chance.choice(chance.choice([holders, list(crowd)]) or list(crowd))
        kills[name] = crowd.pop(name).kill()
    for worker in crowd.values():
        worker.link.send("end")
    for worker in crowd.values():
        worker.process.join()
    return kills


def _watch(limit: str, active: list[int], stop: threading.Event) -> None:
    """Note what Prefect shows, until told to stop."""
    while not stop.wait(0.1):
        active.append(active_slots(limit))


def _settled(limit: str, patience_s: float) -> float:
    """Return the seconds until Prefect shows no slot as taken."""
    begin = time.monotonic()
    while active_slots(limit):
        if time.monotonic() > begin + patience_s:
            raise RuntimeError(f"{limit}: Prefect still shows {active_slots(limit)} slots as taken")
        time.sleep(0.2)
    return round(time.monotonic() - begin, 1)


def active_slots(limit: str) -> int:
    """Return how many of a limit's slots Prefect shows as taken; 0 before there is the limit."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            return client.read_global_concurrency_limit_by_name(limit).active_slots
        except ObjectNotFound:
            return 0


def intervals(path: Path, killed: float | None) -> list[Interval]:
    """Return when a process held a slot; what it did not end ended with its kill."""
    found: list[Interval] = []
    begin = None
    for line in path.read_text().splitlines():
        mark, moment = line.split()
        if mark == "begin":
            begin = float(moment)
        elif begin is not None:
            found.append((begin, float(moment)))
            begin = None
    if begin is not None:
        if killed is None:
            raise RuntimeError(f"{path}: it holds a slot, was not killed and has ended")
        found.append((begin, killed))
    return found


def most_at_once(held: list[Interval]) -> int:
    """Return the largest number of intervals that share a moment; an end comes before a begin."""
    changes = sorted([(end, -1) for _, end in held] + [(begin, 1) for begin, _ in held])
    return max(itertools.accumulate(change for _, change in changes), default=0)


def longest_gap(held: list[Interval]) -> float:
    """Return the longest time between two intervals in which there was none."""
    longest, until = 0.0, None
    for begin, end in sorted(held):
        if until is not None:
            longest = max(longest, begin - until)
        until = end if until is None else max(until, end)
    return longest


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


def take(link: Connection, path: Path) -> None:
    """Take a plain lock alone."""
    with locks.held(path):
        link.send(("held", time.monotonic()))


def spread(seconds: list[float]) -> dict[str, float]:
    """Return count, p50, p99 and max."""
    p50, p99 = np.percentile(seconds, [50, 99])
    return {"n": len(seconds)} | {
        name: round(float(value), 4)
        for name, value in (("p50", p50), ("p99", p99), ("max", max(seconds)))
    }


if __name__ == "__main__":
    main()
