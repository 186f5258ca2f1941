"""Facts of a forecast for the report: its fans, errors by step and origin, drivers, the sensors."""

import json
from typing import Any

import numpy as np
import polars as pl

from tasks.core.artifacts import Artifact
from tasks.core.prepared import Prepared
from tasks.core.schema import by_role, load_columns
from tasks.core.sequence import PAST, Sequence, by_channel

FANS = 4  # forecasts that are drawn
SHOWN = 144  # steps of the past, or forecasts of one step each, that are drawn at most
BINS = 240  # of time, for the overview
MOST = 12  # channels in the overview and in the correlations
LAGS = 25
WORDS = 6  # of a day's repairs that are told
ROWS = 50_000  # that correlations are taken from at most: the last of the training part
Sources = dict[str, Artifact]


def facts(by_name: Sources, board: dict[str, Any]) -> dict[str, Any]:
    """Return what the report states of a forecast; nothing of another task."""
    if "features/prepared" not in by_name:
        return {}
    prepared = Prepared(by_name["features/prepared"].path)
    sequence = prepared.meta.sequence
    if sequence is None:
        return {}
    models = [m["name"] for m in board.get("models", []) if f"train/{m['name']}" in by_name]
    found: dict[str, Any] = {"sequence": json.loads(sequence.model_dump_json())}
    if models:
        predictions = {m: _predicted(by_name[f"train/{m}"], sequence) for m in models}
        y = prepared.y(prepared.meta.judged)
        found["fans"] = _fans(prepared, sequence, predictions[models[0]], y, models[0])
        found["by_step"] = {m: _by_step(sequence, p, y) for m, p in predictions.items()}
        found["drivers"] = {m: d for m in models if (d := _drivers(by_name, m, sequence))}
    found["origins"] = _origins(by_name, models, board.get("primary", ""))
    if "clean/table" in by_name:
        found["overview"] = _overview(by_name["clean/table"], sequence)
        found["correlations"] = _correlations(by_name["clean/table"], prepared, sequence)
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
            "times": _stamps(times[order] + sequence.step_s),
            "actual": _numbers(y[order, 0]),
            "quantiles": [_numbers(predicted[order, 0, q]) for q in range(len(sequence.quantiles))],
        }
        return [fan | {"past": {"times": [], "values": []}}]
    past = table[PAST].to_numpy()[:, -SHOWN:, 0]
    fans = []
    for row in order[np.linspace(0, len(order) - 1, FANS + 2).astype(int)[1:-1]]:
        behind = times[row] - sequence.step_s * np.arange(past.shape[1])[::-1]
        ahead = times[row] + sequence.step_s * np.arange(1, sequence.horizon + 1)
        fans.append(
            {
                "model": model,
                "times": _stamps(ahead),
                "actual": _numbers(y[row]),
                "quantiles": [_numbers(predicted[row, :, q]) for q in range(predicted.shape[2])],
                "past": {"times": _stamps(behind), "values": _numbers(past[row])},
            }
        )
    return fans


def _by_step(sequence: Sequence, predicted: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Return error of the median and coverage of the widest interval at each step."""
    inside = (y >= predicted[:, :, 0]) & (y <= predicted[:, :, -1])
    return {
        "error": _numbers(np.abs(predicted[:, :, sequence.median] - y).mean(0)),
        "coverage": _numbers(inside.mean(0)),
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


def _overview(clean: Artifact, sequence: Sequence) -> dict[str, Any]:
    """Return mean and share of missing steps of the channels over bins of time."""
    columns = load_columns(clean.path)
    time = by_role(columns, "time")[0]
    group = next(iter(by_role(columns, "group")), None)
    lazy = pl.scan_parquet(clean.file("table.parquet"))
    names = [n for n in _moving(sequence) if n in columns][:MOST]
    low, high, groups = lazy.select(
        pl.col(time).min().alias("low"),
        pl.col(time).max().alias("high"),
        (pl.col(group).n_unique() if group else pl.lit(1)).alias("groups"),
    ).collect().row(0)  # fmt: skip
    seconds = (high - low).total_seconds() + sequence.step_s
    width = max(seconds / BINS, sequence.step_s)
    place = ((pl.col(time) - low).dt.total_seconds() / width).floor().cast(pl.Int32)
    binned = (
        lazy.group_by(place.alias("bin"))
        .agg(
            *(pl.col(n).cast(pl.Float64).mean().alias(f"mean {n}") for n in names),
            *(pl.col(n).count().alias(f"count {n}") for n in names),
        )
        .collect()
    )
    bins = pl.DataFrame({"bin": np.arange(int(np.ceil(seconds / width)), dtype=np.int32)})
    binned = bins.join(binned, on="bin", how="left", maintain_order="left")
    expected = np.diff(np.floor((np.arange(len(bins) + 1) * width) / sequence.step_s)) * groups
    return {
        "times": _stamps(pl.Series([low]).dt.epoch("s").item() + width * np.arange(len(bins))),
        "step_s": sequence.step_s,
        "groups": groups,
        "channels": {
            name: {
                "mean": _numbers(binned[f"mean {name}"].fill_null(float("nan")).to_numpy()),
                "missing": _numbers(
                    1 - binned[f"count {name}"].fill_null(0).to_numpy() / np.maximum(expected, 1)
                ),
            }
            for name in names
        },
        "repairs": _repairs(clean, names),
    }


def _repairs(clean: Artifact, names: list[str]) -> dict[str, dict[str, Any]]:
    """Return for each channel, and "" for rows and other columns, on which days what was repaired.

    `days`, and of each its `cells` and in words what was done.
    """
    path = clean.path / "repairs.json"
    steps = json.loads(path.read_text()) if path.exists() else []
    by_day: dict[str, dict[str, list[tuple[int, str]]]] = {}
    for step, entries in steps:
        for day, column, what, count in entries:
            channel = column if column in names else ""
            of = f"{column} " if column and not channel else ""
            words = f"{step}: {of}{what} {count}" + ("" if column else " rows")
            by_day.setdefault(channel, {}).setdefault(day, []).append((count, words))
    return {
        channel: {
            "days": sorted(days),
            "cells": [sum(count for count, _ in days[day]) for day in sorted(days)],
            "words": ["; ".join(words for _, words in days[day][:WORDS]) for day in sorted(days)],
        }
        for channel, days in by_day.items()
    }


def _correlations(clean: Artifact, prepared: Prepared, sequence: Sequence) -> dict[str, Any]:
    """Return Pearson's correlation of each channel so many steps before with the target.

    Of the training part. Correlations are no causes; neighbouring lags are alike.
    """
    columns = load_columns(clean.path)
    time = by_role(columns, "time")[0]
    keys = by_role(columns, "group")
    last = prepared.table("train")[time].max()
    names = [n for n in _moving(sequence) if n in columns][:MOST]
    numbers = [pl.col(n).cast(pl.Float64) for n in names]
    frame = pl.scan_parquet(clean.file("table.parquet")).filter(pl.col(time) <= last)
    frame = frame.sort(*keys, time).select(*keys, time, *numbers).tail(ROWS).collect()
    reach = max(sequence.season, sequence.horizon)
    lags = sorted({int(lag) for lag in np.linspace(0, reach, LAGS)})
    target, rows = names[0], {}
    for name in names:
        found = []
        for lag in lags:
            moved = frame.select(
                *keys,
                (pl.col(time) + pl.duration(microseconds=round(lag * sequence.step_s * 1e6))),
                pl.col(name).alias("before"),
            )
            both = frame.select(*keys, time, target).join(moved, on=[*keys, time], how="inner")
            value = both.select(pl.corr("before", target)).item() if len(both) > 2 else None
            found.append(value)
        rows[name] = _numbers(np.array([np.nan if v is None else v for v in found]))
    return {"lags": lags, "channels": rows}


def _moving(sequence: Sequence) -> list[str]:
    """Return the channels that are no calendar."""
    return [c for c in sequence.channels if " of " not in c or c not in sequence.known]


def _stamps(seconds: np.ndarray) -> list[str]:
    """Return times as Plotly reads them."""
    return [str(t) for t in (seconds * 1000).astype("datetime64[ms]").astype("datetime64[s]")]


def _numbers(values: np.ndarray) -> list[float | None]:
    """Return numbers to five digits; None for what is missing."""
    return [float(f"{v:.5g}") if np.isfinite(v) else None for v in values]
