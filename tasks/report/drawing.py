"""What the charts share: axes, layout, units, and text that Plotly shows as it is."""

import html
import math
from statistics import median
from typing import Any

PALETTE = 8
NARROWEST = 0.3  # decades of a logarithmic axis: noise should not fill it
FLAT = 0.02  # of the best value: the least height of the metric's axis, likewise
OFF_THE_CHART = 4.0  # times the median distance from the best
Figure = dict[str, Any]


def plain(text: Any) -> str:
    """Return a text that Plotly shows as it is."""
    return html.escape(str(text), quote=False)


def near_the_best(values: dict[str, float], greater: bool) -> tuple[list[str], list[str]]:
    """Return the names whose values fit one scale with the best, and those far off it.

    A constant baseline would press all the others into one point.
    """
    best = (max if greater else min)(values.values())
    distance = {name: abs(value - best) for name, value in values.items()}
    limit = max(OFF_THE_CHART * median(distance.values()), FLAT * abs(best))
    near = [n for n in values if distance[n] <= limit or limit == 0]
    return near, [n for n in values if n not in near]


def time_unit(values_ms: list[float]) -> tuple[str, float]:
    """Return the unit that durations in milliseconds read best in, and the factor to it."""
    if values_ms and math.sqrt(min(values_ms) * max(values_ms)) < 1:
        return "microseconds", 1000.0
    return "milliseconds", 1.0


def log_axis(values: list[float]) -> dict[str, Any]:
    """Return a logarithmic axis over values, with ticks at 1, 2 and 5 that read as numbers."""
    low, high = math.log10(min(values)), math.log10(max(values))
    spare = max(NARROWEST - (high - low), 0) / 2
    low, high = low - spare, high + spare
    edge = 0.06 * max(high - low, 0.3)
    low, high = low - edge, high + edge
    steps = (1,) if high - low > 2.5 else (1, 2, 5) if high - low > 1 else (1, 1.5, 2, 3, 5, 7)
    decades = range(math.floor(low), math.ceil(high) + 1)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    ticks = [t for t in ticks if low <= math.log10(t) <= high]
    return {
        "type": "log",
        "range": [low, high],
        "tickvals": ticks,
        "ticktext": [f"{t:,.0f}" if t >= 10 else f"{t:.3g}" for t in ticks],
    }


def title(text: Any) -> dict[str, Any]:
    """Return an axis title."""
    return {"text": plain(text), "standoff": 12, "font": {"size": 12.5, "color": "@muted"}}


def layout_of(height: int) -> dict[str, Any]:
    """Return the layout of a chart of a height in pixels, in the theme's colours."""
    axis = {
        "gridcolor": "@line",
        "zeroline": False,
        "linecolor": "@line",
        "automargin": True,
        "exponentformat": "none",
    }
    return {
        "height": height,
        "margin": {"l": 12, "r": 16, "t": 36, "b": 44},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12.5, "color": "@ink"},
        "hoverlabel": {"bgcolor": "@surface", "bordercolor": "@line", "font": {"color": "@ink"}},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        "xaxis": dict(axis),
        "yaxis": dict(axis),
        "hovermode": "closest",
        "dragmode": False,
    }
