"""Latency at one row in ONNX Runtime and OpenVINO, interleaved, by the protocol of `benchmark`."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.benchmark import measuring, statistics
from tasks.benchmark.loading import Work
from tasks.benchmark.params import Params
from tasks.core.plugins import Plugin
from tasks.core.prepared import Prepared

ENGINES = ("onnx_runtime", "open_vino")
CONFIDENCE = 0.95
PROTOCOL = Params(batch_sizes=[1], threads=1, rounds=40, time_budget_s=25)
Times = dict[tuple[str, str], np.ndarray]  # variant's label, engine -> (round, call) ms


def latencies(
    folders: list[Path],
    fitted: Path,
    model: Plugin,
    data: Prepared,
    engines: Sequence[str] = ENGINES,
) -> tuple[list[dict[str, Any]], Times]:
    """Return a row for each variant of a model and engine, and the times of all calls.

    `folders`: each with `model.onnx` and `variant.json`, that of fp32 among them.
    """
    work = Work(
        variants=folders,
        fitted={model.name: fitted},
        models={model.name: model},
        engines=[Plugin(kind="engine", name=name) for name in engines],
        metrics=[Plugin(kind="metric", name="accuracy")],
        prepared=data.folder,
    )
    with tempfile.TemporaryDirectory() as out:
        measuring.write(Path(out), work, PROTOCOL, 0, "cpu")
        rows = json.loads((Path(out) / "measurements.json").read_text())["rows"]
        frame = pl.read_parquet(Path(out) / "latencies.parquet")
    times = {
        (str(variant).partition("/")[2], str(engine)): part["ms"]
        .to_numpy()
        .reshape(part["round"].n_unique(), -1)
        for (variant, engine), part in frame.group_by("variant", "engine", maintain_order=True)
    }
    return rows, times


def faster(times: Times, label: str, than: str, engine: str) -> list[float]:
    """Return how many times faster by p50 one variant is than another, and its interval."""
    mine, other = times[label, engine], times[than, engine]
    draws = statistics.resampled_rounds(len(mine), 0)
    p50s = [statistics.percentiles(ms, draws)[1][:, 0] for ms in (mine, other)]
    found = statistics.speed_up(mine, p50s[0], other, p50s[1], CONFIDENCE)
    return [round(found[key], 3) for key in ("speedup", "speedup_low", "speedup_high")]
