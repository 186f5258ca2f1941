"""Collects the facts of a run from its artifacts: the content of report.json."""

import json
from typing import Any

import polars as pl

from tasks.core.artifacts import Artifact
from tasks.report import series
from tasks.report.params import Params

FORMAT = 1
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def facts(sources: list[Artifact], workload: str, params: Params) -> dict[str, Any]:
    """Return what the report states, by section; a section whose artifact is not there is empty.

    Sources are found by name; their order does not matter. Only digests tell where it comes from:
    no time and no path, so that the same input gives the same bytes.
    """
    by_name = {source.name: source for source in sorted(sources, key=lambda s: s.name)}
    board = _read(by_name, "compare/leaderboard", "leaderboard.json")
    meta = _read(by_name, "features/prepared", "meta.json")
    measured = _read(by_name, "benchmark/measurements", "measurements.json")
    return {
        "format": FORMAT,
        "workload": workload,
        "title": params.title or workload,
        "note": params.note,
        "task": board.get("task") or meta.get("task"),
        "target": meta.get("target"),
        "judged": board.get("judged") or meta.get("judged"),
        "rows_judged": board.get("rows_judged"),
        "data": _data(by_name, meta, params),
        "cleaning": _read(by_name, "clean/table", "steps.json") or [],
        "leaderboard": board,
        "models": _models(by_name, meta, params),
        "series": series.facts(by_name, board),
        "variants": _variants(by_name),
        "benchmark": measured | {"latencies": _latencies(by_name)},
        "recommendation": _read(by_name, "recommend/choice", "recommendation.json"),
        "version": _read(by_name, "register/version", "version.json"),
        "artifacts": {name: source.digest for name, source in by_name.items()},
    }


def _read(by_name: dict[str, Artifact], name: str, file: str) -> Any:
    path = by_name[name].path / file if name in by_name else None
    return json.loads(path.read_text(encoding="utf-8")) if path and path.exists() else {}


def _data(by_name: dict[str, Artifact], meta: dict, params: Params) -> dict[str, Any]:
    checks = _read(by_name, "validate/report", "checks.json")
    return {
        "source": _read(by_name, "ingest/table", "source.json"),
        "columns": _read(by_name, "clean/table", "columns.json")
        or _read(by_name, "ingest/table", "columns.json"),
        "checks": checks,
        "quarantine": _quarantine(by_name, params.quarantine_rows),
        "parts": meta.get("parts") or {},
        "split": meta.get("split") or {},
        "classes": meta.get("classes"),
        "inputs": meta.get("inputs") or [],
        "features": len(meta.get("feature_names") or []),
    }


def _quarantine(by_name: dict[str, Artifact], limit: int) -> dict[str, Any]:
    if "validate/report" not in by_name:
        return {"cells": 0, "reasons": [], "sample": []}
    path = by_name["validate/report"].file("quarantine.parquet")
    frame = pl.scan_parquet(path)
    reasons = (
        frame.group_by("column", "reason")
        .agg(cells=pl.len(), rows=pl.col("row").n_unique())
        .sort(["cells", "column", "reason"], descending=[True, False, False])
        .collect()
    )
    sample = frame.select("row", "column", pl.col("value").cast(pl.String), "reason")
    return {
        "cells": int(reasons["cells"].sum()),
        "reasons": reasons.to_dicts(),
        "sample": sample.head(limit).collect().to_dicts(),
    }


def _models(by_name: dict[str, Artifact], meta: dict, params: Params) -> dict[str, Any]:
    """Return fit, curves, importances and telemetry of each model."""
    found = {}
    for name in by_name:
        step, _, model = name.partition("/")
        if step != "train" or "/" in model:
            continue
        took = _read(by_name, f"telemetry/{name.removeprefix('train/')}", "telemetry.json")
        shares = _read(by_name, name, "importances.json")
        top = sorted(shares.items(), key=lambda item: (-abs(item[1]), item[0]))
        fit = _read(by_name, name, "fit.json")
        curves = _read(by_name, name, "curves.json")
        found[model] = {
            "fit": fit,
            "curves": curves.get("curves") or {},
            "curves_x": curves.get("x"),
            "importances": dict(top[: params.importances]),
            "importance_map": _image(shares, meta),
            "wall_s": took.get("wall_s"),
            "peak_memory_mib": took.get("peak_memory_mib"),
            "gpu": _gpu(took.get("gpu")),
        }
    return found


def _image(shares: dict[str, float], meta: dict) -> list[list[float]] | None:
    """Return importances as an image (height, width) where features are an image's pixels."""
    shape, names = meta.get("image_shape"), meta.get("feature_names") or []
    if not shape or not shares or len(names) != shape[0] * shape[1] * shape[2]:
        return None
    height, width, channels = shape
    values = [shares.get(name, 0.0) for name in names]
    pixels = [sum(values[i : i + channels]) for i in range(0, len(values), channels)]
    return [pixels[row * width : (row + 1) * width] for row in range(height)]


def _gpu(samples: list[dict] | None) -> dict[str, Any] | None:
    """Return the mean utilisation and the peaks of a GPU's samples."""
    if not samples:
        return None
    column = lambda key: [s[key] for s in samples if s.get(key) is not None]  # noqa: E731
    found: dict[str, Any] = {"samples": len(samples)}
    if column("utilisation"):
        found["utilisation_mean"] = sum(column("utilisation")) / len(column("utilisation"))
    for key in ("memory_mib", "temperature_c", "power_w"):
        if column(key):
            found[f"{key}_peak"] = max(column(key))
    return found


def _variants(by_name: dict[str, Artifact]) -> list[dict[str, Any]]:
    folders = [n for n in by_name if n.startswith("compress/")]
    found = [_read(by_name, name, "variant.json") for name in folders]
    return sorted(found, key=lambda v: (v["model"], v["label"] != "fp32", v["label"]))


def _latencies(by_name: dict[str, Artifact]) -> list[dict[str, Any]]:
    """Return the quantiles of every variant, engine and batch size, in milliseconds."""
    if "benchmark/measurements" not in by_name:
        return []
    path = by_name["benchmark/measurements"].path / "latencies.parquet"
    if not path.exists():
        return []
    quantiles = [pl.col("ms").quantile(q, "linear").alias(f"q{q * 100:g}") for q in QUANTILES]
    keys = ["variant", "engine", "batch"]
    frame = pl.scan_parquet(path).group_by(keys).agg(*quantiles, samples=pl.len()).sort(keys)
    return frame.collect().to_dicts()
