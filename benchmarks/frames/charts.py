"""Draws docs/performance-*.svg from the figures: plain lines, no script, no font of its own."""

import math
import statistics
from typing import Any

from benchmarks.harness import ROOT

COLOURS = {
    "pandas": "#7a6a58",
    "duckdb": "#b5892e",
    "polars": "#2f6f8f",
    "numba": "#8a3b12",
    "cudf": "#4d7d3a",
}
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 320, 64, 96, 48, 44
Points = dict[str, list[tuple[float, float]]]  # of an engine: million rows, value


def draw(content: dict[str, Any]) -> None:
    """Write the charts: seconds, speed-up over pandas and peak memory by rows."""
    seconds, speed, memory = {}, {}, {}
    for millions, of in content["sizes"].items():
        x = float(millions)
        for engine, samples in of["samples"].items():
            wall = statistics.median(sample["wall_s"] for sample in samples)
            seconds.setdefault(engine, []).append((x, wall))
            peak = max(sample["peak_mib"] for sample in samples) / 1024
            memory.setdefault(engine, []).append((x, peak))
            if engine != "pandas":
                speed.setdefault(engine, []).append((x, of["speed_up"][engine]["median"]))
    for name, title, points in (
        ("seconds", "Seconds of the whole process", seconds),
        ("speed-up", "Times as fast as pandas", speed),
        ("memory", "Peak memory, GiB", memory),
    ):
        (ROOT / "docs" / f"performance-{name}.svg").write_text(chart(title, points))


def chart(title: str, points: Points) -> str:
    """Return an SVG of lines over million rows; both axes are logarithmic."""
    values = [point for line in points.values() for point in line]
    xs, ys = _ticks([x for x, _ in values]), _ticks([y for _, y in values])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{title}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="12" fill="#fbf8f3"/>',
        f'<text x="20" y="28" font-size="15" font-weight="600" fill="#2b2118">{title}</text>',
    ]
    for tick in ys:
        y = _place(tick, ys, HEIGHT - BOTTOM, TOP)
        parts.append(f'<path d="M{LEFT} {y} H{WIDTH - RIGHT}" stroke="#ddd2c3"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{tick:g}", "end"))
    for tick in xs:
        x = _place(tick, xs, LEFT, WIDTH - RIGHT)
        parts.append(_text(x, HEIGHT - BOTTOM + 20, f"{tick:g} M", "middle"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "rows", "middle"))
    labels: list[float] = []
    for engine, line in sorted(points.items(), key=lambda of: -of[1][-1][1]):
        places = [
            (_place(x, xs, LEFT, WIDTH - RIGHT), _place(y, ys, HEIGHT - BOTTOM, TOP))
            for x, y in sorted(line)
        ]
        colour = COLOURS[engine]
        path = " L".join(f"{x} {y}" for x, y in places)
        parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in places]
        label = max([places[-1][1] + 4, *(at + 14 for at in labels[-1:])])
        labels.append(label)
        parts.append(
            f'<text x="{places[-1][0] + 10}" y="{label:.1f}" fill="{colour}">{engine}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _ticks(values: list[float]) -> list[float]:
    """Return 1, 2 and 5 times powers of ten around the values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    steps = [base * 10.0**power for power in range(low, high + 1) for base in (1, 2, 5)]
    below = [step for step in steps if step <= min(values)]
    above = [step for step in steps if step >= max(values)]
    return [step for step in steps if below[-1] <= step <= above[0]]


def _place(value: float, ticks: list[float], low: float, high: float) -> float:
    span = math.log10(ticks[-1] / ticks[0]) or 1.0
    return round(low + (high - low) * math.log10(value / ticks[0]) / span, 1)


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#6d5f50">{words}</text>'
