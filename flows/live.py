"""A run's progress on the terminal: step, share, time left."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flows.workload import STEPS, Step, Workload, ends
from tasks.compress import beginnings
from tasks.core import progress
from tasks.core.home import subfolder
from tasks.core.temporary import write

SEARCH = ("sketch", "settle")  # tasks of a model whose recipes are searched
USUAL_S = {
    "fit": 4.0,
    "resample": 8.0,
    "export": 1.0,
    "sketch": 8.0,
    "shrink": 4.0,
    "compress": 0.7,
    "benchmark": 20.0,
}  # a guess


def expected(workload: Workload, until: Step) -> dict[str, float]:
    """Return the task runs of a run, `<task> <run>`, with their usual seconds."""
    models = list(workload.train.models)
    plan: dict[Step, list[str]] = {
        "ingest": ["fetch", "ingest"],
        "validate": ["validate", *(["expectations"] if workload.validate_.expectations else [])],
        "clean": ["clean"],
        "features": ["features"],
        "train": [f"fit {model}" for model in models],
        "compare": [*(f"resample {model}" for model in models), "compare"],
        "compress": [
            *(f"export {model}" for model in models),
            *(f"{task} {m}" for task in SEARCH for m in models if workload.compress.searched),
            *_beginnings(workload),
            *(f"compress {m} {label}" for m in models for label in workload.compress.recipes),
        ],
        "benchmark": ["benchmark"],
        "recommend": ["recommend"],
        "register": ["register"],
        "report": ["report"],
    }
    runs: dict[str, float] = {}
    for step in STEPS:
        runs |= {run: USUAL_S.get(run.split()[0], 0.5) for run in plan[step]}
        if ends(until, step):
            break
    return runs


def _beginnings(workload: Workload) -> list[str]:
    """Return the task runs that several recipes go on from; of a search nobody knows them yet."""
    params = workload.compress
    if params.searched:
        return []
    recipes = {label: params.plugins(label) for label in params.recipes}
    return [
        f"shrink {model.name} {label} {step.name}"
        for model in workload.models
        for label, step in beginnings.first(recipes, model)
    ]


class Live:
    """Counts the task runs of one run, and says how far it is and how long it may yet take."""

    def __init__(self, name: str, workload: Workload, until: Step) -> None:
        self.file = subfolder("times") / f"{name}.json"
        self.weights = expected(workload, until) | self._earlier()
        self.open = set(expected(workload, until))
        self.total = sum(self.weights[run] for run in self.open)
        self.began: dict[str, float] = {}
        self.took: dict[str, float] = {}
        self.start = time.monotonic()
        self.count = {"ran": 0, "cached": 0}
        self.text = "starting"
        self.done = 0.0

    def hear(self, event: progress.Event) -> None:
        """Take in an event of the run."""
        run = progress.label(event.name, event.run)
        if event.kind == "share":
            self.text = f"{event.text} {event.share:.0%}"
        elif event.kind == "began":
            self.began[run] = time.monotonic()
            self.text = run
        elif event.kind == "ended":
            cached = event.state == "Cached"
            self.count["cached" if cached else "ran"] += 1
            if not cached and run in self.began:
                self.took[run] = round(time.monotonic() - self.began[run], 2)
            self._close({run})
            if event.name == "settle":
                recipes = run.replace("settle", "compress", 1) + " "
                self._close({other for other in self.open if other.startswith(recipes)})
        elif event.kind == "failed":
            self.text = f"{run} failed"

    def _close(self, runs: set[str]) -> None:
        self.done += sum(self.weights[run] for run in runs & self.open)
        self.open -= runs

    @property
    def share(self) -> float:
        """Return the share of the run's usual time that is done, 0 to 1."""
        return min(self.done / self.total, 1.0) if self.total else 1.0

    @property
    def left_s(self) -> float | None:
        """Return the seconds that are left, or None before there is something to judge by."""
        if self.share < 0.03:
            return None
        return (time.monotonic() - self.start) * (1 - self.share) / self.share

    def keep(self) -> None:
        """Remember how long the task runs took, for the next run's estimate."""
        if self.took:
            write(self.file, json.dumps(self._earlier() | self.took, indent=1))

    def _earlier(self) -> dict[str, float]:
        try:
            return json.loads(self.file.read_text())
        except (OSError, ValueError):
            return {}


@contextmanager
def shown(name: str, workload: Workload, until: Step) -> Iterator[Live]:
    """Show a run's progress on standard error for a block: a bar, or lines where it is no
    terminal.
    """
    live = Live(name, workload, until)
    with _bar(live) if sys.stderr.isatty() else _lines(live):
        yield live
    live.keep()


@contextmanager
def _bar(live: Live) -> Iterator[None]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = ("{task.description}", BarColumn(), "{task.percentage:>3.0f} %", TimeElapsedColumn())
    with Progress(
        *columns, TextColumn("{task.fields[left]}"), console=Console(stderr=True), transient=True
    ) as bar:
        row = bar.add_task("starting", total=1.0, left="")

        def hear(event: progress.Event) -> None:
            live.hear(event)
            if event.kind == "notice":
                bar.console.print(_note(event), markup=False, highlight=False, soft_wrap=True)
            bar.update(row, completed=live.share, description=live.text[:60], left=_left(live))

        with progress.listening(hear):
            yield


@contextmanager
def _lines(live: Live) -> Iterator[None]:
    last = -1.0

    def hear(event: progress.Event) -> None:
        nonlocal last
        live.hear(event)
        if event.kind == "notice":
            print(_note(event), file=sys.stderr, flush=True)
        if event.kind == "ended" and (live.share - last >= 0.1 or not live.open):
            last = live.share
            print(f"{live.share:4.0%} {live.text} {_left(live)}", file=sys.stderr, flush=True)

    with progress.listening(hear):
        yield


def _note(event: progress.Event) -> str:
    return f"note: {event.text}"


def _left(live: Live) -> str:
    left = live.left_s
    return "" if left is None or left < 1 else f"about {left:.0f} s left"
