"""Numbers as people read them."""


def ms(value: float) -> str:
    """Return a duration given in milliseconds, in the unit that reads best."""
    if value < 1:
        return f"{value * 1000:.3g} µs"
    return f"{value:.3g} ms" if value < 1000 else f"{value / 1000:.3g} s"


def kib(value: float) -> str:
    """Return a size given in KiB."""
    return f"{value:.3g} KiB" if value < 1000 else f"{value / 1024:.3g} MiB"


def metric(value: float) -> str:
    """Return a metric's value, four significant digits; large ones whole: `46,603`."""
    return f"{value:,.0f}" if 10_000 <= abs(value) < 1e15 else f"{value:.4g}"


def percent(value: float) -> str:
    """Return a share as percent; below a hundredth of a percent it is 0."""
    shown = value * 100
    if abs(shown) < 0.01:
        return "0 %"
    return f"{shown:.0f} %" if abs(shown) >= 10 else f"{shown:.2g} %"


def names(values: list[str]) -> str:
    """Return names as a list in words: `a`, `a and b`, `a, b and c`."""
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} and {values[-1]}"
