"""Many processes for a few slots, some of them killed: were there ever too many holders?"""

import itertools
import random
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.slots.workers import Worker, compete
from tasks.core import slots

Interval = tuple[float, float]


def stress(
    count: int, processes: int, seconds: float, settle_s: float, seed: int, folder: Path
) -> dict[str, Any]:
    """Return how many held a limit's slots at once, with random kills, by what they wrote."""
    folder.mkdir()
    limit = f"stress-{count}"
    active, stop = [0], threading.Event()
    watcher = threading.Thread(target=_watch, args=(limit, active, stop))
    watcher.start()
    end = time.monotonic() + seconds
    kills = _crowd(limit, count, processes, end, folder, seed)
    stop.set()
    watcher.join()
    held = {path: intervals(path, kills.get(path.name)) for path in folder.iterdir()}
    every = [interval for found in held.values() for interval in found]
    return {
        "slots": count,
        "processes": processes,
        "seconds": seconds,
        "kills": len(kills),
        "held": len(every),
        "killed": sum(interval[1] in kills.values() for interval in every),
        "most_holders": most_at_once(every),
        "most_active_slots": max(active),
        "none_shown_after_s": _settled(limit, settle_s) if settle_s else None,
        "longest_empty_s": round(longest_gap([i for i in every if i[0] < end]), 3),
    }


def _crowd(
    limit: str, count: int, size: int, end: float, folder: Path, seed: int
) -> dict[str, float]:
    """Let processes compete, kill and replace them at random, every other time one that has a slot
    or is about to; return each kill's moment.
    """
    chance, numbers = random.Random(seed), itertools.count()
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
