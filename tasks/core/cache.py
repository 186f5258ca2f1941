"""One content-addressed cache policy for every task (in the making)."""

from typing import Any


def cached(*libraries: str) -> dict[str, Any]:
    """Return the options of a cached and retried task; `libraries` are those whose version matters."""
    return {}
