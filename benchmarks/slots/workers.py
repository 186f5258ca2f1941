"""The processes that hold slots or the lane, wait for them, and write down when they had them."""

import multiprocessing
import random
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tasks.core import locks, slots

POOL = multiprocessing.get_context("forkserver")
HOLD_S = 0.3  # at most, in the stress
WORK_S = 0.2  # of each piece in a stream of work


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


def take(link: Connection, path: Path) -> None:
    """Take a plain lock alone."""
    with locks.held(path):
        link.send(("held", time.monotonic()))
