"""The charts of series and forecasts: sensors, correlations, fans, errors by step, drivers."""

from typing import Any

from tasks.report import drawing
from tasks.report.drawing import Figure, plain
from tasks.report.words import percent

BAND = "rgba(90,140,220,0.18)"  # of the accent, seen through


def figures(series: dict[str, Any]) -> dict[str, Figure]:
    """Return the charts of a report's section `series`, by the id of their place."""
    found: dict[str, Figure | None] = {
        "overview": _overview(series.get("overview") or {}),
        "correlations": _correlations(series.get("correlations") or {}),
    }
    if sequence := series.get("sequence"):
        fans = enumerate(series.get("fans") or [])
        found |= {f"fan-{at}": _fan(fan, sequence["quantiles"]) for at, fan in fans}
        found["by-step"] = _by_step(series.get("by_step") or {}, sequence)
        found["origins"] = _origins(series.get("origins") or {})
        found["drivers"] = _drivers(series.get("drivers") or {})
    return {key: figure for key, figure in found.items() if figure}


def described(series: dict[str, Any]) -> dict[str, str]:
    """Return what the charts show, in words."""
    words = {}
    for model, step in (series.get("by_step") or {}).items():
        stated = (
            f"{percent(step['covered'])} of values inside the {percent(step['stated'])} interval"
        )
        words.setdefault("by-step", f"error of the median by step; {model}: {stated}")
    for model, shares in (series.get("drivers") or {}).items():
        first = list(shares)[:5]
        words.setdefault("drivers", f"{model} looks most at {', '.join(first)}")
    if channels := (series.get("overview") or {}).get("channels"):
        named = ", ".join(channels)
        words["overview"] = f"means over time of {named}; what is missing and what was repaired"
    if correlations := series.get("correlations"):
        words["correlations"] = "; ".join(
            f"{name} {max((v for v in found if v is not None), key=abs, default=0):+.2f} at most"
            for name, found in correlations["channels"].items()
        )
    return words


def _line(name: str, x: list, y: list, color: str, **more: Any) -> Figure:
    trace = {"type": "scatter", "mode": "lines", "name": plain(name), "x": x, "y": y}
    return trace | {"line": {"color": color, "width": 1.8}} | more


def _fan(fan: dict[str, Any], levels: list[float]) -> Figure:
    """Return one forecast: bands between the quantiles of equal distance from the median."""
    layout = drawing.layout_of(height=250)
    quantiles, times = fan["quantiles"], fan["times"]
    traces = []
    if fan["past"]["times"]:
        traces.append(_line("before", fan["past"]["times"], fan["past"]["values"], "@muted"))
    for low, high in zip(range(len(levels) // 2), reversed(range(len(levels))), strict=False):
        stated = percent(levels[high] - levels[low])
        none = {"line": {"width": 0}, "hoverinfo": "skip"}
        traces.append(_line("", times, quantiles[low], "@accent", showlegend=False) | none)
        band = {"fill": "tonexty", "fillcolor": BAND}
        traces.append(_line(f"{stated} interval", times, quantiles[high], "@accent") | none | band)
    traces.append(_line("median", times, quantiles[levels.index(0.5)], "@accent"))
    traces.append(_line("came", times, fan["actual"], "@ink"))
    return {"data": traces, "layout": layout}


def _by_step(models: dict[str, Any], sequence: dict[str, Any]) -> Figure | None:
    """Return the error of each model's median by step of the horizon."""
    if not models or sequence["horizon"] == 1:
        return None
    layout = drawing.layout_of(height=260)
    layout["xaxis"] |= {"title": drawing.title("step of the horizon")}
    layout["yaxis"] |= {"title": drawing.title("mean absolute error"), "rangemode": "tozero"}
    steps = list(range(1, sequence["horizon"] + 1))
    traces = [
        _line(name, steps, found["error"], f"@c{at % drawing.PALETTE}")
        for at, (name, found) in enumerate(models.items())
    ]
    return {"data": traces, "layout": layout}


def _origins(models: dict[str, Any]) -> Figure | None:
    """Return the backtest: each model's metric by rolling origin."""
    if not models:
        return None
    layout = drawing.layout_of(height=240)
    layout["xaxis"] |= {"title": drawing.title("origin, in order of time"), "dtick": 1}
    traces = [
        _line(name, [o + 1 for o in found["origin"]], found["value"], f"@c{at % drawing.PALETTE}")
        | {"mode": "lines+markers"}
        for at, (name, found) in enumerate(models.items())
    ]
    return {"data": traces, "layout": layout}


def _drivers(models: dict[str, Any]) -> Figure | None:
    """Return the shares of the channels in each model's importances."""
    if not models:
        return None
    first = next(iter(models.values()))
    names = list(first)[:15]
    layout = drawing.layout_of(height=26 * len(names) + 80)
    layout["barmode"] = "group"
    layout["yaxis"] |= {"showgrid": False, "type": "category", "autorange": "reversed"}
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": plain(name),
            "x": [round(shares.get(channel, 0.0), 5) for channel in names],
            "y": [plain(channel) for channel in names],
            "marker": {"color": f"@c{at % drawing.PALETTE}"},
        }
        for at, (name, shares) in enumerate(models.items())
    ]
    return {"data": traces, "layout": layout}


def _overview(overview: dict[str, Any]) -> Figure | None:
    """Return the channels one below the other: grey where most of their steps are missing, a mark
    on each day (or month) on which cleaning repaired something; the last lane has rows and other
    columns.
    """
    channels = overview.get("channels")
    if not channels:
        return None
    repairs = overview.get("repairs") or {}
    lanes = len(channels) + ("" in repairs)
    layout = drawing.layout_of(height=86 * lanes + 60)
    layout["showlegend"] = False
    share = 1 / lanes
    layout["xaxis"] |= {"anchor": "free", "position": 0}
    traces, shapes, labels = [], [], []
    nothing = {"mean": [], "missing": [0] * len(overview["times"])}
    for at, (name, found) in enumerate([*channels.items(), ("", nothing)][:lanes]):
        axis = "" if at == 0 else str(at + 1)
        top = 1 - at * share
        layout[f"yaxis{axis}"] = layout["yaxis"] | {
            "domain": [top - 0.95 * share, top - 0.25 * share],
            "title": None,
            "nticks": 3,
        }
        labels.append(
            {
                "text": plain(name or "rows, other columns"),
                "xref": "paper",
                "yref": "paper",
                "x": 0,
                "y": top - 0.25 * share,
                "xanchor": "left",
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"size": 12, "color": "@muted"},
            }
        )
        if not name:
            layout[f"yaxis{axis}"] |= {"showticklabels": False, "range": [-1, 1]}
        traces.append(
            _line(name, overview["times"], found["mean"], f"@c{at % drawing.PALETTE}")
            | {"yaxis": f"y{axis}", "connectgaps": not overview["regular"]}
        )
        if repaired := repairs.get(name):
            traces.append(_marks(repaired, found["mean"]) | {"yaxis": f"y{axis}"})
        shapes += [
            {
                "type": "rect",
                "x0": begin,
                "x1": end,
                "yref": "paper",
                "y0": top - 0.95 * share,
                "y1": top - 0.25 * share,
                "fillcolor": "rgba(128,128,128,0.25)",
                "line": {"width": 0},
                "layer": "below",
            }
            for begin, end in _gaps(overview["times"], found["missing"])
        ]
    layout |= {"shapes": shapes, "annotations": labels}
    return {"data": traces, "layout": layout}


def _marks(repaired: dict[str, Any], values: list[float | None]) -> dict[str, Any]:
    """Return a mark below the curve for each day with repairs, the larger the more cells."""
    least = min((v for v in values if v is not None), default=0)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "repairs",
        "x": [f"{day} 12:00:00" for day in repaired["days"]],
        "y": [least] * len(repaired["days"]),
        "text": [plain(words) for words in repaired["words"]],
        "hovertemplate": "%{x|%Y-%m-%d}<br>%{text}<extra></extra>",
        "marker": {
            "symbol": "triangle-up",
            "color": "@accent",
            "size": [min(5 + 2 * len(str(cells)), 14) for cells in repaired["cells"]],
        },
    }


def _gaps(times: list[str], missing: list[float | None]) -> list[tuple[str, str]]:
    """Return the stretches in which most steps are missing."""
    found: list[tuple[str, str]] = []
    begin: str | None = None
    for time, share in zip(times, missing, strict=True):
        gone = share is not None and share > 0.5
        if gone and begin is None:
            begin = time
        if not gone and begin is not None:
            found.append((begin, time))
            begin = None
    return [*found, (begin, times[-1])] if begin else found


def _correlations(correlations: dict[str, Any]) -> Figure | None:
    """Return the correlation of each channel with the target, by how long before."""
    channels = correlations.get("channels")
    if not channels:
        return None
    hours = [lag * correlations["step_s"] / 3600 for lag in correlations["lags"]]
    layout = drawing.layout_of(height=26 * len(channels) + 110)
    layout["xaxis"] |= {"title": drawing.title("hours before"), "showgrid": False}
    layout["yaxis"] |= {"showgrid": False, "type": "category", "autorange": "reversed"}
    trace = {
        "type": "heatmap",
        "x": [round(h, 3) for h in hours],
        "y": [plain(name) for name in channels],
        "z": list(channels.values()),
        "zmin": -1,
        "zmax": 1,
        "colorscale": [[0, "@c1"], [0.5, "@surface"], [1, "@accent"]],
        "hovertemplate": "%{y}, %{x} h before: %{z:.2f}<extra></extra>",
    }
    return {"data": [trace], "layout": layout}
