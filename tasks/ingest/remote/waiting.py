"""How long to wait before a request is tried again."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

BASE_S = 1.0
MOST_S = 60.0  # of a wait that nobody asked for


def back_off_s(attempt: int, draw: random.Random) -> float:
    """Return seconds before try `attempt` + 1: doubling, and drawn from the upper half of that.

    The draw keeps many clients from coming back at the same moment (Brooker, "Exponential backoff
    and jitter", AWS Architecture Blog, 2015); never less than half, since one client alone gains
    nothing by coming back at once.
    """
    most = min(MOST_S, BASE_S * 2.0 ** (attempt - 1))
    return draw.uniform(most / 2, most)


def retry_after_s(text: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3), None without one.

    It holds seconds or an HTTP date; what is neither is taken for absent.
    """
    if not text:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
