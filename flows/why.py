"""`temper why`: for each task of a workload, whether it would run now, and why.

The flow itself is followed, with its tasks looked up instead of run: what a task depends on stands
nowhere else.
"""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from prefect import Task
from prefect.utilities.annotations import unmapped

from flows.explain import words
from flows.live import expected
from flows.workload import Workload
from tasks.core import devices, progress, records, store, trace
from tasks.core.artifacts import Artifact, Made
from tasks.core.cache import Content, key_of
from tasks.core.errors import ParamsError, TemperError
from tasks.core.plugins import unknown

UNMADE = "unmade"  # the digest of what a task would make
WAITS = "an earlier task would run first"
FIRST = "its first run"
LOST = "its record was missing or damaged"
Entry = dict[str, Any]  # of `trace.known`


@dataclass
class Verdict:
    """What would become of a task run: `cached`, `restored` (an earlier result than the last run's)
    or `would run`, and the causes in words, the first first.
    """

    label: str
    state: str
    causes: list[str]


class _Enough(Exception):
    """Raised where the flow needs a result that is not there yet, or has come to its end."""


@dataclass
class _Plan:
    """Follows a workload's flow, and says of each task what would become of it."""

    name: str
    workload: Workload
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def look_up(self, task: Any, inputs: dict[str, Any]) -> Any:
        """Return what a task run would return, its outputs unknown where it would run."""
        label = progress.label(task.name, str(task.task_run_name or task.name).format(**inputs))
        policy = task.cache_policy
        if not isinstance(policy, Content):
            self.verdicts[label] = Verdict(label, "would run", ["it is never cached"])
            return None
        earlier = trace.known(self.name, label)
        parts = policy.parts(task, inputs)
        key = key_of(parts)
        found = None if task.refresh_cache else _record(task, key)
        made = _unmade(inputs)
        if made:
            changed = trace.nearest(earlier, parts) if earlier else []
            causes = self._words(earlier, [d for d in changed if not _unmade(d[2])])
            causes += [f"input {artifact} may change" for artifact in made]
            self.verdicts[label] = Verdict(label, "would run", causes)
        else:
            self.verdicts[label] = self._verdict(label, task, earlier, parts, found is not None)
        if label == "report":
            raise _Enough
        return found if found is not None and not made else _outputs(task, earlier)

    def _verdict(
        self, label: str, task: Any, earlier: list[Entry], parts: dict[str, Any], hit: bool
    ) -> Verdict:
        if not earlier:
            return Verdict(label, *(("cached", []) if hit else ("would run", [FIRST])))
        if hit:
            changed = trace.differences(earlier[0]["parts"], parts)
            return Verdict(
                label, "restored" if changed else "cached", self._words(earlier, changed)
            )
        causes = self._words(earlier, trace.nearest(earlier, parts))
        return Verdict(label, "would run", causes or [_lost(task, key_of(parts))])

    def _words(self, earlier: list[Entry], changed: list[trace.Difference]) -> list[str]:
        return [words(found, self.name, earlier[0]["parts"]["room"]) for found in changed]


def explain(name: str, workload: Workload) -> list[Verdict]:
    """Return what would become of each task of a workload, in their order.

    Raises:
        TemperError: what would stop the run before its first task.
    """
    from flows.benchmark import benchmark
    from flows.compress import compress
    from flows.prepare import prepare
    from flows.release import release
    from flows.train import train

    plan = _Plan(name, workload)
    parts: list[Callable[..., Made]] = [train, compress, benchmark, release]
    device = devices.resolve(workload.device)
    made: Made = {}
    with _following(plan):
        try:
            made |= prepare(name, workload, device)
            for part in parts:
                made |= part(name, workload, device, made)
        except _Enough:
            pass
        except TemperError:
            if not any(v.state == "would run" for v in plan.verdicts.values()):
                raise
    return [
        plan.verdicts.get(label) or Verdict(label, "would run", [_unseen(name, label)])
        for label in {**dict.fromkeys(plan.verdicts), **expected(workload, "report")}
        if label in plan.verdicts or not _settled(label, plan)
    ]


def _settled(label: str, plan: _Plan) -> bool:
    """Return whether a variant's certificate comes from its model's `settle`."""
    task, _, rest = label.partition(" ")
    return task == "compress" and f"settle {rest.split()[0]}" in plan.verdicts


def show(name: str, workload: Workload, only: str | None) -> None:
    """Print the verdicts as a table, beside how each task last ended and what had changed then.

    Raises:
        ParamsError: there is no such task.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table("task", "last run", "because", "now", "because", box=None, pad_edge=False)
    every = explain(name, workload)
    verdicts = [v for v in every if only in (None, v.label, *v.label.split())]
    if not verdicts:
        known = list(dict.fromkeys(word for v in every for word in v.label.split()))
        raise ParamsError(unknown(f"task {only!r}", str(only), known))
    for verdict in verdicts:
        shown = slice(None) if only else slice(1)
        ended, causes = _ended(name, verdict.label)
        told = ("\n".join(listed[shown]) for listed in (causes, verdict.causes))
        table.add_row(verdict.label, ended, next(told), verdict.state, next(told))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _ended(name: str, label: str) -> tuple[str, list[str]]:
    """Return how a task last ended, and why it was none that had been done before."""
    earlier = trace.known(name, label)
    if not earlier:
        return "-", []
    state, changed = earlier[0]["state"], earlier[0]["changed"]
    if changed is None:
        return state, [FIRST] if state == "ran" else []
    causes = [words(found, name, earlier[0]["parts"]["room"]) for found in changed]
    return state, [LOST] if state == "ran" and not causes else causes


def _lost(task: Any, key: str) -> str:
    """Return why a result that was there is not there now."""
    if task.refresh_cache:
        return "the registry has lost its version"
    for artifact in _artifacts(key):
        if not store.intact(artifact):
            return f"output {artifact.name} is missing or damaged"
    return LOST


def _unseen(name: str, label: str) -> str:
    return WAITS if trace.known(name, label) else FIRST


def _any_number(task: Any) -> bool:
    """Return whether a task returns a list: how long it will be nobody knows beforehand."""
    return inspect.signature(task.fn).return_annotation == list[Artifact]


def _record(task: Any, key: str) -> Any:
    """Return what a record says that a task returned, or None where it does not count."""
    found = records.read(records.folder() / key)
    if found is None or not all(map(store.intact, found.artifacts)):
        return None
    single = len(found.artifacts) == 1 and not _any_number(task)
    return found.artifacts[0] if single else found.artifacts


def _artifacts(key: str) -> tuple[Artifact, ...]:
    """Return the artifacts that a record names, whether the store has them or not."""
    found = records.read(records.folder() / key)
    return found.artifacts if found else ()


def _outputs(task: Any, earlier: list[Entry]) -> Any:
    """Return what a task returned last, its contents unknown."""
    if _any_number(task):
        raise _Enough
    names = [a.name for a in _artifacts(earlier[0]["key"])] if earlier else []
    made = [Artifact(name=name, digest=UNMADE) for name in names]
    if not made:
        raise _Enough
    return tuple(made) if len(made) > 1 else made[0]


def _unmade(value: Any) -> list[str]:
    """Return the names of artifacts in a task's inputs, or in their part of its key, that are not
    made yet.
    """
    if isinstance(value, Artifact):
        return [value.name] if value.digest == UNMADE else []
    if isinstance(value, dict) and value.get("digest") == UNMADE:
        return [value["artifact"]]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [name for item in value for name in _unmade(item)]
    return []


class _Done:
    """A future that is there already."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def result(self) -> Any:
        return self.value

    def add_done_callback(self, function: Callable[["_Done"], None]) -> None:
        function(self)


@contextmanager
def _following(plan: _Plan) -> Iterator[None]:
    """Let a block's task calls be looked up; nothing is run, and nothing written."""
    from flows import prepare
    from tasks.register import task as registration

    def call(task: Any, *args: Any, **named: Any) -> Any:
        return plan.look_up(task, _bound(task, args, named))

    def submit(task: Any, *args: Any, **named: Any) -> _Done:
        return _Done(call(task, *args, **named))

    def every(task: Any, *args: Any, **named: Any) -> _Done:
        inputs = _bound(task, args, named)
        mapped = {k for k, v in inputs.items() if isinstance(v, list)}
        count = len(inputs[next(iter(mapped))])
        rows = [
            {k: v[n] if k in mapped else _plain(v) for k, v in inputs.items()} for n in range(count)
        ]
        return _Done([plan.look_up(task, row) for row in rows])

    patches: list[tuple[Any, str, Callable]] = [
        (Task, "__call__", call),
        (Task, "submit", submit),
        (Task, "map", every),
        (registration, "check", registration.stands),
        (prepare, "tell", lambda _: None),  # it would read what was not made
    ]
    kept = [getattr(owner, attribute) for owner, attribute, _ in patches]
    for owner, attribute, value in patches:
        setattr(owner, attribute, value)
    try:
        yield
    finally:
        for (owner, attribute, _), value in zip(patches, kept, strict=True):
            setattr(owner, attribute, value)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, unmapped) else value


def _bound(task: Any, args: tuple, named: dict[str, Any]) -> dict[str, Any]:
    """Return a call's arguments by name, as Prefect binds them."""
    bound = inspect.signature(task.fn).bind(*args, **named)
    bound.apply_defaults()
    return dict(bound.arguments)
