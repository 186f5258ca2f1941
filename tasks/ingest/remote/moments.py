"""Times and days as services write them."""

from datetime import UTC, date, datetime
from typing import Any

from tasks.ingest.remote.errors import AnswerError


def utc(document: dict[str, Any], key: str) -> datetime:
    """Return the time under a key, in UTC; without a zone it is UTC already.

    Raises:
        AnswerError: there is none.
    """
    text = document.get(key)
    try:
        found = datetime.fromisoformat(text)  # type: ignore[arg-type] - a TypeError is caught
    except (TypeError, ValueError):
        raise AnswerError(
            f"a document's {key!r}: expected a time like 2026-01-31T08:00:00Z, found {text!r:.60}"
        ) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def day(document: dict[str, Any], key: str) -> date:
    """Return the day under a key.

    Raises:
        AnswerError: there is none.
    """
    text = document.get(key)
    try:
        return date.fromisoformat(text)  # type: ignore[arg-type] - a TypeError is caught
    except (TypeError, ValueError):
        raise AnswerError(
            f"a document's {key!r}: expected a day like 2026-01-31, found {text!r:.60}"
        ) from None


def text(moment: datetime) -> str:
    """Return a time in UTC as text that sorts as times do."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
