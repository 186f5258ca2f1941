"""Facts of series for the report: of a forecast its fans, errors by step and origin, drivers."""

import json
from typing import Any

import numpy as np
import polars as pl

from tasks.core.artifacts import Artifact
from tasks.core.prepared import Prepared
from tasks.core.schema import by_role, load_columns
from tasks.core.sequence import PAST, Sequence, by_channel
from tasks.report import sensors
from tasks.report.words import numbers, stamps

FANS = 4  # forecasts that are drawn
SHOWN = 144  # steps of the past, or forecasts of one step each, that are drawn at most
Sources = dict[str, Artifact]


def facts(by_name: Sources, board: dict[str, Any]) -> dict[str, Any]:
    """Return what the report states of series: of a table with a time column its overview and
    correlations, and of a forecast how it goes; nothing of another table.
    """
    prepared = None
    if "features/prepared" in by_name:
        prepared = Prepared(by_name["features/prepared"].path)
    found: dict[str, Any] = {}
    if prepared and prepared.meta.sequence:
        found |= _forecasts(by_name, prepared, prepared.meta.sequence, board)
    if "clean/table" in by_name:
        found |= sensors.facts(by_name["clean/table"], prepared)
    return found


def _forecasts(
    by_name: Sources, prepared: Prepared, sequence: Sequence, board: dict[str, Any]
) -> dict[str, Any]:
    models = [m["name"] for m in board.get("models", []) if f"train/{m['name']}" in by_name]
    found: dict[str, Any] = {"sequence": json.loads(sequence.model_dump_json())}
    if models:
        predictions = {m: _predicted(by_name[f"train/{m}"], sequence) for m in models}
        y = prepared.y(prepared.meta.judged)
        found["fans"] = _fans(prepared, sequence, predictions[models[0]], y, models[0])
        found["by_step"] = {m: _by_step(sequence, p, y) for m, p in predictions.items()}
        found["drivers"] = {m: d for m in models if (d := _drivers(by_name, m, sequence))}
    found["origins"] = _origins(by_name, models, board.get("primary", ""))
    return found


def _predicted(fitted: Artifact, sequence: Sequence) -> np.ndarray:
    """Return the quantiles of the judged rows, (n, horizon, quantile)."""
    names = [f"p_{at}" for at in range(sequence.outputs)]
    frame = pl.read_parquet(fitted.file("predictions.parquet"), columns=names)
    return sequence.shaped(frame.select(names).to_numpy())


def _fans(
    prepared: Prepared, sequence: Sequence, predicted: np.ndarray, y: np.ndarray, model: str
) -> list[dict[str, Any]]:
    """Return some forecasts with what came before and after; of one step: many in a row."""
    table = prepared.table(prepared.meta.judged)
    columns = load_columns(prepared.folder)
    time = by_role(columns, "time")[0]
    group = next(iter(by_role(columns, "group")), None)
    if group:
        first = table[group] == table[group][0]
        table, predicted, y = table.filter(first), predicted[first.to_numpy()], y[first.to_numpy()]
    order = table[time].arg_sort().to_numpy()
    times = table[time].dt.epoch("ms").to_numpy() / 1000
    if sequence.horizon == 1:
        order = order[-SHOWN:]
        fan = {
            "model": model,
            "times": stamps(times[order] + sequence.lead * sequence.step_s),
            "actual": numbers(y[order, 0]),
            "quantiles": [numbers(predicted[order, 0, q]) for q in range(len(sequence.quantiles))],
        }
        return [fan | {"past": {"times": [], "values": []}}]
    past = table[PAST].to_numpy()[:, -SHOWN:, 0]
    if not sequence.own_past:
        past = past[:, :0]
    fans = []
    for row in order[np.linspace(0, len(order) - 1, FANS + 2).astype(int)[1:-1]]:
        behind = times[row] - sequence.step_s * np.arange(past.shape[1])[::-1]
        ahead = times[row] + sequence.step_s * sequence.ahead
        fans.append(
            {
                "model": model,
                "times": stamps(ahead),
                "actual": numbers(y[row]),
                "quantiles": [numbers(predicted[row, :, q]) for q in range(predicted.shape[2])],
                "past": {"times": stamps(behind), "values": numbers(past[row])},
            }
        )
    return fans


def _by_step(sequence: Sequence, predicted: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Return error of the median and coverage of the widest interval at each step."""
    inside = (y >= predicted[:, :, 0]) & (y <= predicted[:, :, -1])
    return {
        "error": numbers(np.abs(predicted[:, :, sequence.median] - y).mean(0)),
        "coverage": numbers(inside.mean(0)),
        "covered": round(float(inside.mean()), 4),
        "stated": round(sequence.quantiles[-1] - sequence.quantiles[0], 6),
    }


def _drivers(by_name: Sources, model: str, sequence: Sequence) -> dict[str, float]:
    """Return the share of each channel in a model's importances, the largest first."""
    path = by_name[f"train/{model}"].path / "importances.json"
    shares = json.loads(path.read_text()) if path.exists() else {}
    if not shares:
        return {}
    found = by_channel(sequence, [shares[name] for name in sequence.feature_names])
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _origins(by_name: Sources, models: list[str], primary: str) -> dict[str, Any]:
    """Return the primary metric of each model by rolling origin: its backtest."""
    found = {}
    for model in models:
        artifact = by_name.get(f"compare/{model}/resamples")
        if artifact:
            scores = json.loads(artifact.file("scores.json").read_text())
            found[model] = {"origin": scores["resamples"], "value": scores["scores"][primary]}
    return found
