"""The charts as Plotly's JSON, written directly: importing Plotly's Python half would cost a
second.

Colours are names (`@ink`, `@accent`, `@c0` …) that the page replaces by those of the light or dark
theme. Every text goes into charts through `plain`: Plotly takes some HTML in them.
"""

from typing import Any

from tasks.report import drawing, pareto, series_figures
from tasks.report.drawing import Figure, plain
from tasks.report.words import number, percent


def figures(report: dict[str, Any]) -> dict[str, Figure]:
    """Return every chart of a report by the id of its place in the page."""
    found: dict[str, Figure | None] = {
        "leaderboard-chart": leaderboard(report["leaderboard"]),
        "pareto-chart": pareto.figure(report["recommendation"], report["leaderboard"]),
    }
    for name, model in report["models"].items():
        found[f"curves-{name}"] = curves(model)
        found[f"importances-{name}"] = importances(model)
    for engine in engines(report):
        found[f"latency-{engine}"] = latencies(report, engine)
    found |= series_figures.figures(report["series"])
    return {key: figure for key, figure in found.items() if figure}


def leaderboard(board: dict[str, Any]) -> Figure | None:
    """Return the judged value of each model as a dot with its interval, resamples as a diamond."""
    primary = board.get("primary", "")
    models = [m for m in board.get("models", []) if m["metrics"][primary]["value"] is not None]
    if not models:
        return None
    values = {m["name"]: m["metrics"][primary]["value"] for m in models}
    shown, beyond = drawing.near_the_best(values, board["greater_is_better"])
    traces = []
    first = "tied with the best" if len(board.get("group", [])) > 1 else "best"
    for tied, color, label in ((True, "@accent", first), (False, "@muted", "behind")):
        part = [m for m in models if m["name"] in shown and m["tied_with_best"] is tied]
        if part:
            traces.append(_dots(part, primary, color, label, board))
    means = [m for m in models if m["name"] in shown and m.get("resamples", {}).get(primary)]
    if means:
        traces.append(_means(means, primary))
    layout = drawing.layout_of(height=44 * len(models) + 96)
    layout["xaxis"] |= {"title": drawing.title(f"{primary} on {board['judged']}")}
    layout["yaxis"] |= {
        "categoryorder": "array",
        "categoryarray": [plain(m["name"]) for m in reversed(models)],
        "range": [-0.6, len(models) - 0.4],
        "showgrid": False,
    }
    lowest = min(values[name] for name in shown)
    layout["annotations"] = [_beyond(name, values[name], values[name] < lowest) for name in beyond]
    return {"data": traces, "layout": layout}


def _beyond(name: str, value: float, left: bool) -> Figure:
    """Return the note at the chart's edge for a value that is off its scale."""
    return {
        "x": 0 if left else 1,
        "xref": "paper",
        "y": plain(name),
        "text": f"← {number(value)}" if left else f"{number(value)} →",
        "showarrow": False,
        "xanchor": "left" if left else "right",
        "font": {"color": "@muted", "size": 12},
    }


def _dots(models: list[dict], primary: str, color: str, label: str, board: dict) -> Figure:
    found = [m["metrics"][primary] for m in models]
    gap = lambda v, side: abs(v[side] - v["value"]) if v.get(side) is not None else 0  # noqa: E731
    return {
        "type": "scatter",
        "mode": "markers",
        "name": label,
        "x": [v["value"] for v in found],
        "y": [plain(m["name"]) for m in models],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [gap(v, "high") for v in found],
            "arrayminus": [gap(v, "low") for v in found],
            "thickness": 2,
            "width": 0,
            "color": color,
        },
        "marker": {"color": color, "size": 11, "line": {"color": "@paper", "width": 1.5}},
        "text": [spanned(v) for v in found],
        "hovertemplate": f"<b>%{{y}}</b><br>%{{text}} on {plain(board['judged'])}<extra></extra>",
    }


def spanned(value: dict[str, Any]) -> str:
    """Return a value with its interval."""
    return f"{number(value['value'])} [{number(value.get('low'))}, {number(value.get('high'))}]"


def _means(models: list[dict], primary: str) -> Figure:
    found = [m["resamples"][primary] for m in models]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "mean over the resamples",
        "x": [r["mean"] for r in found],
        "y": [plain(m["name"]) for m in models],
        "marker": {"symbol": "diamond-open", "color": "@straw", "size": 9, "line": {"width": 1.5}},
        "text": [f"{number(r['mean'])} ± {number(r['std'], 2)}, {r['n']} resamples" for r in found],
        "hovertemplate": "<b>%{y}</b><br>%{text}<extra></extra>",
    }


def curves(model: dict[str, Any]) -> Figure | None:
    """Return a model's learning curves over epochs or rounds."""
    lines = {k: v for k, v in model["curves"].items() if v and all(map(_drawable, v))}
    if not lines:
        return None
    layout = drawing.layout_of(height=230)
    layout["xaxis"] |= {"title": drawing.title(model["curves_x"] or "step")}
    data = [
        {
            "type": "scatter",
            "mode": "lines" if len(values) > 1 else "markers",
            "name": plain(name),
            "x": list(range(1, len(values) + 1)),
            "y": [None if v is None else float(f"{v:.5g}") for v in values],
            "line": {"color": f"@c{i % drawing.PALETTE}", "width": 2},
        }
        for i, (name, values) in enumerate(
            sorted(lines.items(), key=lambda x: ("train" not in x[0], x[0]))
        )
    ]
    best = model["fit"].get("best_round", model["fit"].get("best_epoch"))
    if isinstance(best, int | float):
        layout["shapes"] = [
            {
                "type": "line",
                "x0": best,
                "x1": best,
                "yref": "paper",
                "y0": 0,
                "y1": 1,
                "line": {"color": "@muted", "width": 1, "dash": "dot"},
            }
        ]
    return {"data": data, "layout": layout}


def _drawable(value: Any) -> bool:
    return value is None or isinstance(value, int | float)


def importances(model: dict[str, Any]) -> Figure | None:
    """Return a model's feature importances: bars, or an image where features are pixels."""
    if model["importance_map"]:
        layout = drawing.layout_of(height=260)
        layout["xaxis"] |= {"visible": False, "constrain": "domain"}
        layout["yaxis"] |= {"visible": False, "autorange": "reversed", "scaleanchor": "x"}
        trace = {
            "type": "heatmap",
            "z": model["importance_map"],
            "colorscale": [[0, "@surface"], [1, "@accent"]],
            "showscale": False,
            "hovertemplate": "row %{y}, column %{x}: %{z:.4g}<extra></extra>",
        }
        return {"data": [trace], "layout": layout}
    if not model["importances"]:
        return None
    items = list(model["importances"].items())[::-1]
    layout = drawing.layout_of(height=22 * len(items) + 64)
    layout["yaxis"] |= {"showgrid": False, "automargin": True, "type": "category"}
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": [value for _, value in items],
        "y": [_cut(plain(name)) for name, _ in items],
        "marker": {"color": "@accent"},
        "hovertemplate": "%{y}: %{x:.4g}<extra></extra>",
    }
    return {"data": [trace], "layout": layout}


def engines(report: dict[str, Any]) -> list[str]:
    """Return the engines with latencies, the recommended one first."""
    chosen = (report["recommendation"].get("chosen") or {}).get("engine")
    found = {entry["engine"] for entry in report["benchmark"].get("latencies", [])}
    return sorted(found, key=lambda name: (name != chosen, name))


def latencies(report: dict[str, Any], engine: str) -> Figure | None:
    """Return the latency of each variant through an engine: box of the quartiles, p1 to p99."""
    entries = [e for e in report["benchmark"]["latencies"] if e["engine"] == engine]
    batch = min(e["batch"] for e in entries)
    entries = sorted((e for e in entries if e["batch"] == batch), key=lambda e: -e["q50"])
    unit, factor = drawing.time_unit([e["q50"] for e in entries])
    chosen = (report["recommendation"].get("chosen") or {}).get("variant")
    layout = drawing.layout_of(height=26 * len(entries) + 84)
    span = [e[key] * factor for e in entries for key in ("q1", "q99")]
    layout["xaxis"] |= {
        "title": drawing.title(f"{unit}, batch {batch} (log)"),
        **drawing.log_axis(span),
    }
    layout["yaxis"] |= {"showgrid": False, "automargin": True, "type": "category"}
    layout["showlegend"] = False
    data = []
    for picked, color in ((False, "@muted"), (True, "@accent")):
        part = [e for e in entries if (e["variant"] == chosen) is picked]
        column = lambda key: [e[key] * factor for e in part]  # noqa: B023, E731
        data.append(
            {
                "type": "box",
                "orientation": "h",
                "y": [plain(e["variant"]) for e in part],
                "q1": column("q25"),
                "median": column("q50"),
                "q3": column("q75"),
                "lowerfence": column("q1"),
                "upperfence": column("q99"),
                "marker": {"color": color},
                "line": {"width": 1.5},
                "name": "recommended" if picked else "others",
                "hoverinfo": "x+y",
                "width": 0.55,
            }
        )
    order = [plain(e["variant"]) for e in entries]
    layout["yaxis"] |= {"categoryorder": "array", "categoryarray": order}
    return {"data": data, "layout": layout}


def _cut(text: str) -> str:
    return text if len(text) <= 42 else f"{text[:40]}…"


def described(report: dict[str, Any]) -> dict[str, str]:
    """Return what each chart shows, in words: for who does not see it."""
    board, choice = report["leaderboard"], report["recommendation"]
    words = series_figures.described(report["series"])
    if board.get("models"):
        primary = board["primary"]
        words["leaderboard-chart"] = f"{primary} on {board['judged']}: " + "; ".join(
            f"{m['name']} {number(m['metrics'][primary]['value'])}" for m in board["models"]
        )
    if choice.get("candidates"):
        front = [c["variant"] for c in choice["candidates"] if c["pareto"]]
        share = percent(len(front) / len(choice["candidates"]))
        labels = sorted(
            {c["variant"].split("/", 1)[1] for c in choice["candidates"]}, key=pareto.fp32_first
        )
        shapes = zip(pareto.SYMBOLS, labels, strict=False)
        words["pareto-legend"] = (
            f"Shapes: {', '.join(f'{s.removesuffix(pareto.UP)} {label}' for s, label in shapes)}."
        )
        _, beyond = drawing.near_the_best(
            pareto.metrics(choice["candidates"]), choice["greater_is_better"]
        )
        if beyond:
            far = dict.fromkeys(name.split(" ")[0] for name in beyond)
            words["pareto-legend"] += f" Not shown, far off: {', '.join(far)}."
        words["pareto-chart"] = f"Metric over size and latency; on the Pareto front ({share}): " + (
            ", ".join(front)
        )
    return words
