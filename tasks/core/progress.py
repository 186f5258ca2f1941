"""Progress of a run, from wherever work happens to whoever shows it.

In a child process `report` sends to the parent; in the parent it tells those who listen.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

Sink = Callable[[float, str], None]


class Event(NamedTuple):
    """What happened: a task began, ended or failed, or a piece of work is at `share` (0 to 1)."""

    kind: str  # began, ended, failed, share, notice
    name: str = ""  # of the task
    run: str = ""  # of this run of it: `light_gbm`
    state: str = ""  # Prefect's name for how it ended: Completed, Cached
    share: float = 0.0
    text: str = ""


_sink: ContextVar[Sink | None] = ContextVar("progress_sink", default=None)
_listeners: list[Callable[[Event], None]] = []


def report(share: float, text: str = "") -> None:
    """State how much of the current piece of work is done (0 to 1), and what it is doing."""
    share = min(max(share, 0.0), 1.0)
    sink = _sink.get()
    if sink:
        sink(share, text)
    else:
        tell(Event("share", share=share, text=text))


def tell(event: Event) -> None:
    """Give an event to all who listen in this process."""
    for listener in list(_listeners):
        listener(event)


@contextmanager
def to(sink: Sink | None) -> Iterator[None]:
    """Send the reports of this context to a sink."""
    token = _sink.set(sink)
    try:
        yield
    finally:
        _sink.reset(token)


@contextmanager
def within(begin: float, end: float, text: str = "") -> Iterator[None]:
    """Take the reports of a block for this part of the work, `text` before what they say."""
    outer = _sink.get() or (lambda share, said: tell(Event("share", share=share, text=said)))

    def sink(share: float, said: str) -> None:
        outer(begin + (end - begin) * share, ", ".join(filter(None, (text, said))))

    with to(sink):
        yield


@contextmanager
def listening(listener: Callable[[Event], None]) -> Iterator[None]:
    """Let a listener hear every event of this process for a block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def label(task: str, run: str) -> str:
    """Return how a run of a task is called: `fit light_gbm`."""
    return run if run.startswith(task) else f"{task} {run}"


def task_hook(kind: str) -> Callable[[Any, Any, Any], None]:
    """Return a hook of Prefect's tasks that tells a task's beginning or end."""

    def hook(task: Any, run: Any, state: Any) -> None:
        tell(Event(kind, task.name, run.name, state.name))

    hook.log_on_run = False
    return hook
