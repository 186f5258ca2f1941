"""Two flows of tasks that do nothing: plain Prefect's, and with Temper's options."""

import json
import sys
import time

from prefect import flow, task

from tasks.core import store
from tasks.core.artifacts import Artifact
from tasks.core.cache import cached


@task
def empty(number: int) -> int:
    """Return its argument."""
    return number


@task(**cached())
def stored(number: int, run: int) -> Artifact:
    """Put a file of a few bytes into the store."""
    with store.writing() as out:
        (out / "number.txt").write_text(f"{number} {run}")
        return store.put("number", out)


@flow
def plain(count: int) -> None:
    """Run empty tasks, one after the other."""
    for number in range(count):
        empty(number)


@flow
def temper(count: int, run: int) -> None:
    """Run as many tasks that are cached, retried, traced, and put their result into the store."""
    for number in range(count):
        stored(number, run)


def main(count: int, rounds: int) -> None:
    """Print the seconds of each flow as JSON; the three in turn, the first round does not count."""
    seconds: dict[str, list[float]] = {"plain": [], "cold": [], "cached": []}
    for run in range(rounds + 1):
        for kind, call in (
            ("plain", lambda: plain(count)),
            ("cold", lambda run=run: temper(count, run)),
            ("cached", lambda run=run: temper(count, run)),
        ):
            time.sleep(0.3)  # until the server has written down the run before
            began = time.perf_counter()
            call()
            if run:
                seconds[kind].append(time.perf_counter() - began)
    print(json.dumps(seconds))


if __name__ == "__main__":
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from benchmarks.nothing import main as start  # its tasks then have a module's name

    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):  # its thread ends in 1 s
        start(*map(int, sys.argv[1:]))
