"""`temper collect`: runs the flow, and says what there is and how fresh it is."""

import math
import sys
import threading
import time
from typing import Any

from flows import interrupts
from tasks.core import params, progress
from tasks.core.counting import counted
from tasks.core.errors import ParamsError
from tasks.core.home import project

SAME_S = 60.0  # the same words within this time are of parts that are collected side by side


def collect_workload(name: str, settings: list[str]) -> None:
    """Fetch what is missing of a workload's raw data, and print what there is.

    Raises:
        TemperError: what stopped it, as the user can understand it.
    """
    from flows import session
    from flows.workload import build

    workload = build(name, params.override(params.section(params.read(project()), name), settings))
    problems = workload.problems()
    if problems:
        raise ParamsError("\n".join(f"workloads.{name}.{line}" for line in problems))
    with interrupts.told(f"temper collect {name}"), session.started() as run_flow:
        from flows.collect import collect

        with progress.listening(Waiting()):
            found = run_flow(collect, name=name, params=workload)
    for line in summary(name, found):
        print(line)


class Waiting:
    """Prints what a service is waited for, once where several parts wait for the same."""

    def __init__(self) -> None:
        self.told: dict[str, float] = {}
        self.lock = threading.Lock()  # each part has a thread

    def __call__(self, event: progress.Event) -> None:
        """Take in an event of the run."""
        if event.kind != "notice":
            return
        same, now = event.text.rpartition(" in ")[0], time.monotonic()
        with self.lock:
            if now - self.told.get(same, -math.inf) > SAME_S:
                self.told[same] = now
                print(event.text, file=sys.stderr, flush=True)


def summary(name: str, found: dict[str, Any]) -> list[str]:
    """Return the lines that say what a collection came to."""
    lines = [
        f"{name}: {sum(each['days'] for each in found['done'])} days fetched, "
        f"{sum(each['documents'] for each in found['done'])} documents; in data/raw/{name}"
    ]
    for part, state in found["parts"].items():
        lines.append(
            f"  {part}: {state['documents']} documents of {state['days']} days to "
            f"{state['last_day']}; the newest of {state['last_moment'] or '(none)'}"
        )
    for each in found["done"]:
        if each["repeated"]:
            lines.append(f"  note: {each['part']}: {each['repeated']} documents came twice: once")
        if each["undated"]:
            lines.append(
                f"  note: {each['part']}: {counted(each['undated'], 'document')} without a sound "
                f"day: set aside in data/raw/{name}/{each['part']}"
            )
        if each["kept"]:
            lines.append(
                f"  note: {each['part']}: the service has nothing any more for "
                f"{', '.join(each['kept'][:5])}: what was there is kept"
            )
    return lines
