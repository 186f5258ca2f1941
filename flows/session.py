"""A process's connection to Prefect: the server, its settings, and how failures reach the user."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tasks.core import crashes, progress, server, usage

UNHEARD = (
    "Prefect's server did not answer for a while: its pages may lack some of this run's tasks. "
    "The results are whole."
)


class _Unheard(logging.Handler):
    """Tells once that Prefect could not send what happened to its server."""

    told = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self.told:
            self.told = True
            progress.tell(progress.Event("notice", text=UNHEARD))


@contextmanager
def started() -> Iterator[Callable[..., Any]]:
    """Give a function that runs a flow against the project's server, or the one that is set.

    Call this before Prefect is imported: it sets the environment that Prefect reads at its import.
    """
    url = server.connect(wait=False)
    usage.share()
    import prefect.main  # noqa: F401 - it sets up logging, which would remove our handler
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    # Every synchronous flow ends by joining a heartbeat thread that sleeps in steps of 1 s; our own
    # lock files tell a dead run, so the private server needs no heartbeats.
    private = url == server.running()
    settings: dict[Any, Any] = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None} if private else {}

    def run(flow: Callable[..., Any], **parameters: Any) -> Any:
        server.ready(url)
        if not private:  # the private server's process does it by itself
            threading.Thread(target=crashes.keep_tidy, daemon=True).start()
        return flow(**parameters)

    logging.raiseExceptions = False  # Prefect writes to the user's terminal that a log was not sent
    handler, logger = _Unheard(logging.ERROR), logging.getLogger("prefect._internal")
    logger.addHandler(handler)
    try:
        with temporary_settings(settings):
            yield run
    finally:
        logger.removeHandler(handler)
