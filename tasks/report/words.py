"""Numbers as people and charts read them; what is missing is a dash."""

import math
from typing import Any

import numpy as np

DASH = "\u2013"


def number(value: Any, digits: int = 4) -> str:
    """Return a number with significant digits: `0.9806`, `1,437`, `–`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return DASH
    if isinstance(value, str):
        return value
    if isinstance(value, int) or (value == int(value) and abs(value) >= 1000):
        return f"{int(value):,}"
    if abs(value) >= 10**digits:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}" if abs(value) < 1 else f"{value:#.{digits}g}".rstrip(".")


def metric(value: Any) -> str:
    """Return a metric's value with four significant digits, so that a column lines up."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return number(value)
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:#.4g}".rstrip(".")


def signed(value: Any) -> str:
    """Return a difference with its sign."""
    return DASH if value is None else f"{value:+.3g}".replace("-", "\u2212")


def ms(value: Any) -> str:
    """Return a duration given in milliseconds, in the unit that reads best."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return number(value)
    if abs(value) < 1:
        return f"{value * 1000:.3g} µs"
    return f"{value:.3g} ms" if abs(value) < 1000 else f"{value / 1000:.3g} s"


def seconds(value: Any) -> str:
    """Return a duration given in seconds."""
    return DASH if value is None else ms(value * 1000) if value < 120 else f"{value / 60:.3g} min"


def size(value: Any) -> str:
    """Return a size given in bytes."""
    if value is None:
        return DASH
    if value < 1000:
        return f"{value:.0f} B"
    kib = value / 1024
    return f"{kib:.3g} KiB" if kib < 1000 else f"{kib / 1024:.3g} MiB"


def percent(value: Any) -> str:
    """Return a share as percent; below a hundredth of a percent it is 0."""
    if value is None:
        return DASH
    shown = value * 100
    if abs(shown) < 0.01:
        return "0 %"
    return f"{shown:.0f} %" if abs(shown) >= 10 else f"{shown:.2g} %"


def p_value(value: Any) -> str:
    """Return a p-value."""
    return DASH if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def names(values: list[str]) -> str:
    """Return names as a list in words: `a`, `a and b`, `a, b and c`."""
    if not values:
        return "none"
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} and {values[-1]}"


def stamps(seconds: np.ndarray) -> list[str]:
    """Return times, in seconds since 1970, as Plotly reads them."""
    return [str(t) for t in (seconds * 1000).astype("datetime64[ms]").astype("datetime64[s]")]


def numbers(values: np.ndarray) -> list[float | None]:
    """Return numbers to five digits; None for what is missing."""
    return [float(f"{v:.5g}") if np.isfinite(v) else None for v in values]
