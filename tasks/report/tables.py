"""The same facts as tables for other programs: leaderboard, variants, benchmark."""

from typing import Any

import polars as pl


def leaderboard(report: dict[str, Any]) -> pl.DataFrame:
    """Return a row a model; the judged part stands in every row."""
    rows = []
    for model in report["leaderboard"].get("models", []):
        row = {key: model.get(key) for key in ("rank", "name", "tied_with_best")}
        row |= {"judged": report["judged"], "rows_judged": report["rows_judged"]}
        row["p_adjusted_vs_best"] = model.get("p_adjusted_vs_best")
        for metric, value in model["metrics"].items():
            row |= {metric: value["value"]}
            row |= {f"{metric}_{side}": value.get(side) for side in ("low", "high")}
        for metric, value in (model.get("resamples") or {}).items():
            row |= {f"{metric}_resamples_{key}": value.get(key) for key in ("mean", "std", "n")}
        rows.append(row)
    return _frame(rows, ["rank", "name", "judged"])


def variants(report: dict[str, Any]) -> pl.DataFrame:
    """Return a row a model and recipe, also where it does not apply, with the reason."""
    plain = ("precision", "dialect", "opset", "bytes", "weight_bytes", "zstd_bytes", "engines_note")
    rows = []
    for variant in report["variants"]:
        row = {key: variant.get(key) for key in ("model", "label", "status", "reason")}
        row |= {"recipe": "+".join(variant["recipe"]), "judged": report["judged"]}
        row |= {key: variant.get(key) for key in plain}
        row |= {f"parity_{k}": v for k, v in (variant.get("parity") or {}).items()}
        for metric, drop in (variant.get("drops") or {}).items():
            row |= {f"{metric}_drop": drop["value"], f"{metric}_drop_bound": drop["bound"]}
        row |= {f"worst_slice_{k}": v for k, v in (variant.get("worst_slice") or {}).items()}
        row |= {key: variant.get(key) for key in ("nonzero_share", "quantised_share", "agreement")}
        rows.append(row | (variant.get("metrics") or {}))
    return _frame(rows, ["model", "label", "status", "reason", "judged"])


def benchmark(report: dict[str, Any]) -> pl.DataFrame:
    """Return a row a variant, engine and batch size; nested facts as text."""
    rows = []
    for measured in report["benchmark"].get("rows", []):
        row = {k: v for k, v in measured.items() if not isinstance(v, dict | list)}
        row["judged"] = report["judged"]
        row |= {f"metric_{k}": v for k, v in (measured.get("metrics") or {}).items()}
        nodes = measured.get("nodes") or {}
        row["nodes"] = " ".join(f"{k}:{v}" for k, v in sorted(nodes.items()))
        rows.append(row)
    return _frame(rows, ["variant", "engine", "batch", "status", "reason", "judged"])


def _frame(rows: list[dict[str, Any]], empty: list[str]) -> pl.DataFrame:
    """Return rows as a frame; a column of numbers and words (a p99 of `insufficient`) is text."""
    if not rows:
        return pl.DataFrame(schema=dict.fromkeys(empty, pl.String))
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        if any(isinstance(v, str) for v in values):
            values = [v if v is None else str(v) for v in values]
        columns[name] = pl.Series(name, values, strict=False)
    return pl.DataFrame(columns)
