"""What a clock and a calendar know in advance, as columns: sine and cosine, so that ends meet."""

import numpy as np

DAY_S, WEEK_S, YEAR_S = 86_400.0, 7 * 86_400.0, 365.2425 * 86_400.0
MONDAY_S = 4 * DAY_S  # 1970-01-05
PERIODS = {"day": DAY_S, "week": WEEK_S, "year": YEAR_S}


def names(step_s: float) -> list[str]:
    """Return the names of the columns for steps of so many seconds: no time of day for days."""
    return [
        f"{turn} of {name}"
        for name, period in PERIODS.items()
        if period >= 2 * step_s
        for turn in ("sine", "cosine")
    ]


def columns(times: np.ndarray, step_s: float) -> np.ndarray:
    """Return the columns for times, (n, column) float32.

    times: (n,) float64, seconds since 1970 of the clock on the wall.
    """
    parts = []
    for period in PERIODS.values():
        if period >= 2 * step_s:
            angle = 2 * np.pi * (((times - MONDAY_S) % period) / period)
            parts += [np.sin(angle), np.cos(angle)]
    return np.stack(parts, axis=1).astype(np.float32) if parts else np.zeros((len(times), 0))
