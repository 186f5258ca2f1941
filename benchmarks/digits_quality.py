"""What a run of `digits` came to: accuracy, INT8 sizes and speed-ups, parity, p99.

    .venv/bin/temper run digits && .venv/bin/python -m benchmarks.digits_quality

It reads the artifacts of that run in models/digits.
"""

import json
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, no_arguments, table, write


def main() -> None:
    """Read, print the table, write benchmarks/results/digits_quality.json."""
    no_arguments("digits_quality", __doc__)
    models = ROOT / "models" / "digits"
    board = _json(models / "compare/leaderboard/leaderboard.json")
    rows = _json(models / "benchmark/measurements/measurements.json")["rows"]
    choice = _json(models / "recommend/choice/recommendation.json")["chosen"]
    variants = {
        f"{v['model']}/{v['label']}": v
        for v in (_json(p) for p in sorted((models / "compress").rglob("variant.json")))
    }
    parent, small = variants["convnet/fp32"], variants["convnet/int8_cpu"]
    accuracy = {m["name"]: m["metrics"]["accuracy"] for m in board["models"]}
    best = max(accuracy, key=lambda name: accuracy[name]["value"])
    speedups = {
        f"{row['engine']}, batch {row['batch']}": [
            round(row[key], 3) for key in ("speedup", "speedup_low", "speedup_high")
        ]
        for row in rows
        if row["variant"] == "convnet/int8_cpu" and row["status"] == "ok" and row.get("speedup")
    }
    weights = small["quantised_weights"]
    parity = {name: v["parity"]["max_rel"] for name, v in variants.items() if v["label"] == "fp32"}
    p99 = next(
        row["p99_ms"]
        for row in rows
        if (row["variant"], row["engine"], row["batch"])
        == (choice["variant"], choice["engine"], choice["batch"])
    )
    drop = parent["metrics"]["accuracy"] - small["metrics"]["accuracy"]
    table(
        [
            (f"best test accuracy ({best})", round(accuracy[best]["value"], 4), ".985"),
            (
                "INT8 CNN: weights smaller by",
                round(weights["fp32_bytes"] / weights["bytes"], 3),
                "3.9",
            ),
            ("  file, bytes", small["bytes"], str(parent["bytes"] // 4 + 15_000)),
            ("  drop of accuracy", round(drop, 4), ".01"),
            *((f"  speed-up, {name}", _interval(s), "an interval") for name, s in speedups.items()),
            ("largest relative fp32 difference", f"{max(parity.values()):.2g}", "1e-4"),
            (f"p99 of {choice['variant']}, 1 row, ms", round(p99, 4), "5"),
        ]
    )
    write(
        "digits_quality",
        {
            "accuracy": accuracy,
            "int8_cpu": {
                "weights": weights,
                "weight_bytes": [parent["weight_bytes"], small["weight_bytes"]],
                "file_bytes": [parent["bytes"], small["bytes"]],
                "drop": drop,
                "speedups": speedups,
            },
            "parity": parity,
            "recommended": choice["variant"],
            "p99_ms": p99,
        },
    )


def _json(path: Path) -> Any:
    return json.loads(path.read_text())


def _interval(speedup: list[float]) -> str:
    value, low, high = speedup
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main()
