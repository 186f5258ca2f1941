"""Single values of Oura's documents."""

from datetime import UTC, datetime

EARLIEST = datetime(1, 1, 1, tzinfo=UTC)


def number(value: object) -> float | None:
    """Return a number as it is, and None for what is none (null, a text, true)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def instant(text: object) -> datetime:
    """Return a time in UTC, for comparing; the earliest of all where there is none."""
    try:
        found = datetime.fromisoformat(text)  # type: ignore[arg-type] - a TypeError is caught
    except (TypeError, ValueError):
        return EARLIEST
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def seconds(document: dict) -> float | None:
    """Return how long a session or workout lasted, None where its times are missing."""
    begin = instant(document.get("start_datetime"))
    end = instant(document.get("end_datetime"))
    known = begin != EARLIEST and end != EARLIEST
    return (end - begin).total_seconds() if known else None
