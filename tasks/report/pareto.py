"""The Pareto front: the metric over size and over latency, a mark a variant and engine."""

from typing import Any

from tasks.report import drawing
from tasks.report.drawing import Figure, plain
from tasks.report.words import ms, number, size

UP = "-up"  # as in Plotly's triangle-up
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "hexagon", "x")


def figure(choice: dict[str, Any], board: dict[str, Any]) -> Figure | None:
    """Return the metric over size and over latency; filled: nothing beats it in everything."""
    found = choice.get("candidates") or []
    if not found:
        return None
    names = list(dict.fromkeys(m["name"] for m in board.get("models", [])))
    labels = sorted({c["variant"].split("/", 1)[1] for c in found}, key=fp32_first)
    chosen = choice.get("chosen")
    near, _ = drawing.near_the_best(metrics(found), choice["greater_is_better"])
    kept = [c for c in found if f"{c['variant']} {c['engine']}" in near]
    unit, factor = drawing.time_unit([c["p50_ms"] for c in kept])
    traces = []
    for model in [n for n in names if any(c["model"] == n for c in kept)]:
        color = f"@c{names.index(model) % drawing.PALETTE}"
        part = [c for c in kept if c["model"] == model]
        for axis, x in (("", "size_kib"), ("2", "p50_ms")):
            traces.append(_candidates(part, model, color, labels, axis, x, factor))
    if chosen:
        traces += [
            _ring(chosen, "", chosen["size_kib"]),
            _ring(chosen, "2", chosen["p50_ms"] * factor),
        ]
    return {"data": traces, "layout": _layout(kept, choice, unit, factor)}


def _ring(chosen: dict[str, Any], axis: str, x: float) -> Figure:
    """Return the ring around the recommended variant."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [x],
        "y": [chosen["metric"]],
        "xaxis": f"x{axis}",
        "yaxis": f"y{axis}",
        "marker": {"symbol": "circle-open", "size": 24, "color": "@ink", "line": {"width": 1.5}},
        "name": "recommended",
        "showlegend": not axis,
        "hoverinfo": "skip",
    }


def _layout(kept: list[dict], choice: dict[str, Any], unit: str, factor: float) -> Figure:
    """Return two plots side by side with one axis for the metric."""
    layout = drawing.layout_of(height=420)
    layout["xaxis"] |= {
        "domain": [0, 0.485],
        "title": drawing.title("file, KiB (log)"),
        **drawing.log_axis([c["size_kib"] for c in kept]),
    }
    layout["yaxis"] |= {"title": drawing.title(choice["primary"])}
    shown = [c["metric"] for c in kept]
    middle, half = (max(shown) + min(shown)) / 2, (max(shown) - min(shown)) / 2
    half = 1.12 * max(half, drawing.FLAT / 2 * abs(middle))
    layout["yaxis"]["range"] = [middle - half, middle + half]
    layout["xaxis2"] = layout["xaxis"] | {
        "domain": [0.515, 1],
        "title": drawing.title(f"p50 at batch {choice['batch']}, {unit} (log)"),
        "anchor": "y2",
        **drawing.log_axis([c["p50_ms"] * factor for c in kept]),
    }
    layout["yaxis2"] = layout["yaxis"] | {
        "matches": "y",
        "anchor": "x2",
        "showticklabels": False,
        "title": {"text": ""},
    }
    return layout


def metrics(found: list[dict[str, Any]]) -> dict[str, float]:
    return {f"{c['variant']} {c['engine']}": c["metric"] for c in found}


def fp32_first(label: str) -> tuple[bool, str]:
    return label != "fp32", label


def _candidates(part, model, color, labels, axis, x, factor) -> Figure:
    symbols = [
        SYMBOLS[labels.index(c["variant"].split("/", 1)[1]) % len(SYMBOLS)]
        + ("" if c["pareto"] else "-open")
        for c in part
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": plain(model),
        "legendgroup": plain(model),
        "showlegend": not axis,
        "x": [c[x] * (factor if axis else 1) for c in part],
        "y": [c["metric"] for c in part],
        "xaxis": f"x{axis}",
        "yaxis": f"y{axis}",
        "marker": {
            "symbol": symbols,
            "size": 11,
            "color": color,
            "opacity": [1.0 if c["fits"] else 0.45 for c in part],
            "line": {"width": 1.5, "color": color},
        },
        "text": [
            f"<b>{plain(c['variant'])}</b> through {plain(c['engine'])}<br>{number(c['metric'])}, "
            f"{size(c['size_kib'] * 1024)}, p50 {ms(c['p50_ms'])}, p99 {ms(c['p99_ms'])}<br>"
            f"{'meets' if c['fits'] else 'does not meet'} every limit"
            f"{', on the Pareto front' if c['pareto'] else ''}"
            for c in part
        ],
        "hovertemplate": "%{text}<extra></extra>",
    }
