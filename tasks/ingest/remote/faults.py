"""What goes wrong between a service and us, and may pass."""

import socket
from collections.abc import Callable
from typing import NamedTuple

NO_NAME = "the name of its host cannot be resolved"
LOOK = " Is this machine on a network, and is ingest.options.base_url right?"
TRIES_OF_A_NAME = 3  # without a network more of them only take time


class Fault(NamedTuple):
    """What went wrong and may pass; the seconds asked for, the tries it is worth, what to do."""

    words: str
    wait_s: float | None = None
    tries: int | None = None
    advice: str = ""


def fault_of(error: Exception, shown: Callable[[str], str]) -> Fault:
    """Return what a connection that failed or broke comes to; `shown` redacts a text."""
    if reason := _unresolved(error):
        return Fault(f"{NO_NAME} ({shown(reason)})", None, TRIES_OF_A_NAME, LOOK)
    return Fault(shown(f"{type(error).__name__}: {error}"))


def _unresolved(error: BaseException) -> str | None:
    """Return the resolver's words where a host's name is behind a failed connection, else None."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, socket.gaierror):
            return str(seen.strerror)
        seen = seen.__cause__ or seen.__context__
    return None
