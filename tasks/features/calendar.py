"""What a clock and a calendar know in advance, as columns: sine and cosine, so that ends meet."""

import numpy as np

from tasks.core.sequence import PERIODS_S

DAY_S = PERIODS_S["day"]
MONDAY_S = 4 * DAY_S  # 1970-01-05


def cycles(step_s: float, span_s: float) -> list[str]:
    """Return the cycles that a series of so many seconds can tell anything about.

    Steps must be short enough to see one, and the series must have it twice: of a cycle that came
    once, a column is as good as the date, and a model learns what happened on it.
    """
    return [name for name, period in PERIODS_S.items() if 2 * step_s <= period <= span_s / 2]


def names(cycles: list[str]) -> list[str]:
    """Return the names of the columns of these cycles."""
    return [f"{turn} of {name}" for name in cycles for turn in ("sine", "cosine")]


def columns(times: np.ndarray, cycles: list[str]) -> np.ndarray:
    """Return the columns for times, (n, column) float32.

    times: (n,) float64, seconds since 1970 of the clock on the wall.
    """
    parts = []
    for name in cycles:
        angle = 2 * np.pi * (((times - MONDAY_S) % PERIODS_S[name]) / PERIODS_S[name])
        parts += [np.sin(angle), np.cos(angle)]
    return np.stack(parts, axis=1).astype(np.float32) if parts else np.zeros((len(times), 0))
