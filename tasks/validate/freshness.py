"""Freshness: how old the newest row is, by the clock."""

import json
from datetime import UTC, datetime
from pathlib import Path

from tasks.core.errors import DataError
from tasks.validate.params import Limits


def check(checks: Path, limits: Limits, now: datetime) -> None:
    """Check the age of the newest time in `checks.json`; times without a zone are UTC.

    Raises:
        DataError: it is older than `max_age_days`, or the table has no time column to judge by.
    """
    if limits.max_age_days is None:
        return
    newest = json.loads(checks.read_text())["figures"]["newest"]
    if not newest:
        raise DataError(
            "validate.limits.max_age_days is set, and no column has the role `time`. Give one that "
            "role in `columns`, or set max_age_days to null."
        )
    problems = []
    for name, text in newest.items():
        age = age_days(text, now)
        if age is None:
            problems.append(f"{name}: {text!r} is not a time, so it has no age")
        elif age > limits.max_age_days:
            problems.append(f"{name}: the newest time, {text}, is {age:.1f} days old")
    if problems:
        raise DataError(
            "\n".join(problems) + f"\nvalidate.limits.max_age_days is {limits.max_age_days:g}: get "
            "newer data, or raise it."
        )


def age_days(text: object, now: datetime) -> float | None:
    """Return the age of a time in days; None where the text is none."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (now - moment).total_seconds() / 86_400
