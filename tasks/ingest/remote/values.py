"""Single values of documents as services write them: numbers, times and days; None for none."""

import math
from datetime import UTC, date, datetime


def number(value: object) -> float | None:
    """Return a finite number, also one that is written as text; None for what is none.

    That is null, true, a word, and what does not fit into a float.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and "_" in value:  # Python's own way of writing numbers
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def instant(text: object) -> datetime | None:
    """Return a time in UTC; without a zone it is UTC already."""
    try:
        found = datetime.fromisoformat(text)  # type: ignore[arg-type] - a TypeError is caught
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def day(text: object) -> date | None:
    """Return a day; of a time the day that is written there."""
    try:
        return datetime.fromisoformat(text).date()  # type: ignore[arg-type] - as above
    except (TypeError, ValueError):
        return None


def moment(time: datetime) -> str:
    """Return a time in UTC as text that sorts as times do."""
    return time.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
