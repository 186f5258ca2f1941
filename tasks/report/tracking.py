"""What DVC shows of a run: numbers for `dvc metrics`, tables for `dvc plots`."""

import json
from pathlib import Path
from typing import Any

import polars as pl

FOLDER = "metrics"  # of the report; the view shows it beside the report
CURVES = {"model": pl.String, "curve": pl.String, "step": pl.Int64, "value": pl.Float64}
VARIANTS = {"variant": pl.String, "metric": pl.String, "value": pl.Float64, "size_kib": pl.Float64}
BOARD = {
    "model": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}


def write(report: dict[str, Any], folder: Path) -> None:
    """Write metrics.json, leaderboard.csv, variants.csv and curves.csv of a report's content."""
    folder.mkdir()
    text = json.dumps(metrics(report), indent=1, sort_keys=True)
    (folder / "metrics.json").write_text(text + "\n", encoding="utf-8")
    for name, table in (
        ("leaderboard", leaderboard(report)),
        ("variants", variants(report)),
        ("curves", curves(report)),
    ):
        table.write_csv(folder / f"{name}.csv")


def metrics(report: dict[str, Any]) -> dict[str, Any]:
    """Return the best model's metrics with their intervals, and what was recommended."""
    board = report["leaderboard"]
    found: dict[str, Any] = {}
    if board.get("models"):
        best = board["models"][0]
        found["best"] = {"model": best["name"], "tied": len(board["group"])}
        for name, value in best["metrics"].items():
            found["best"][name] = value["value"]
            sides = ((side, value.get(side)) for side in ("low", "high"))
            found["best"] |= {f"{name}_{side}": v for side, v in sides if v is not None}
    chosen = report["recommendation"].get("chosen")
    if chosen:
        found["recommended"] = {
            "variant": chosen["variant"],
            "engine": chosen["engine"],
            report["recommendation"]["primary"]: chosen["metric"],
            **{key: chosen[key] for key in ("size_kib", "p50_ms", "p99_ms")},
        }
    return found


def leaderboard(report: dict[str, Any]) -> pl.DataFrame:
    """Return a row a model: its primary metric on the judged part, with the interval."""
    board = report["leaderboard"]
    rows = [
        {"model": m["name"], "metric": board["primary"]}
        | {key: m["metrics"][board["primary"]].get(key) for key in ("value", "low", "high")}
        for m in board.get("models", [])
    ]
    return pl.DataFrame(rows, schema=BOARD)


def variants(report: dict[str, Any]) -> pl.DataFrame:
    """Return a row a variant that there is: its primary metric and its size on disk."""
    primary = report["leaderboard"].get("primary")
    rows = [
        {
            "variant": f"{v['model']}/{v['label']}",
            "metric": primary,
            "value": v["metrics"].get(primary),
            "size_kib": v["bytes"] / 1024,
        }
        for v in report["variants"]
        if v["status"] == "ok"
    ]
    return pl.DataFrame(rows, schema=VARIANTS)


def curves(report: dict[str, Any]) -> pl.DataFrame:
    """Return a row a step (epoch or round) of every learning curve."""
    rows = [
        {"model": name, "curve": curve, "step": step, "value": value}
        for name, model in report["models"].items()
        for curve, values in model["curves"].items()
        for step, value in enumerate(values, 1)
    ]
    return pl.DataFrame(rows, schema=CURVES)
