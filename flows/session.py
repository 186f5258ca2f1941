"""A process's connection to Prefect: the server, its settings, and how failures reach the user."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tasks.core import server, usage


@contextmanager
def started() -> Iterator[Callable[..., Any]]:
    """Give a function that runs a flow against the project's server, or the one that is set.

    Call this before Prefect is imported: it sets the environment that Prefect reads at its import.
    """
    url = server.connect(wait=False)
    usage.share()
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    # Every synchronous flow ends by joining a heartbeat thread that sleeps in steps of 1 s; our own
    # lock files tell a dead run, so the private server needs no heartbeats.
    private = url == server.running()
    settings: dict[Any, Any] = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None} if private else {}

    def run(flow: Callable[..., Any], **parameters: Any) -> Any:
        server.ready(url)
        return flow(**parameters)

    with temporary_settings(settings):
        yield run
