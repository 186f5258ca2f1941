"""Progress of a piece of work, from wherever it runs to whoever shows it.

In a child process `report` sends to the parent; in the parent it calls the sinks that listen.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Sink = Callable[[float, str], None]
_sink: ContextVar[Sink | None] = ContextVar("progress_sink", default=None)


def report(share: float, text: str = "") -> None:
    """State how much of the current piece of work is done (0 to 1), and what it is doing."""
    sink = _sink.get()
    if sink:
        sink(min(max(share, 0.0), 1.0), text)


@contextmanager
def to(sink: Sink | None) -> Iterator[None]:
    """Send the reports of this context to a sink."""
    token = _sink.set(sink)
    try:
        yield
    finally:
        _sink.reset(token)
