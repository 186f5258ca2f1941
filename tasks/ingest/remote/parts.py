"""Ids of stations and devices, which name folders and stand in addresses."""

import re

from tasks.core.errors import ParamsError

FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def checked(ids: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ids, for a validator of params.

    Raises:
        ValueError: one has another form, or stands there twice.
    """
    for each in ids:
        if not FORM.fullmatch(each):
            raise ValueError(f"{each!r:.60}: expected letters, digits, - and _")
    if len({each.lower() for each in ids}) < len(ids):
        raise ValueError("an id stands there twice")
    return ids


def some(ids: tuple[str, ...], option: str) -> tuple[str, ...]:
    """Return the ids.

    Raises:
        ParamsError: there is none.
    """
    if not ids:
        raise ParamsError(f"ingest.options.{option}: missing; the ids of what is collected")
    return ids
