"""The step `compare`: one mapped task a model for its resamples, then the leaderboard."""

import json
from typing import Any

import numpy as np
import polars as pl
from prefect import task

from tasks.compare.leaderboard import leaderboard, table
from tasks.compare.params import Params, Resampling
from tasks.compare.resampling import resample_scores
from tasks.core import child, devices, slots, store
from tasks.core.artifacts import Artifact
from tasks.core.cache import cached
from tasks.core.errors import StoreError
from tasks.core.plugins import Plugin
from tasks.core.prepared import Prepared
from tasks.core.schema import ROW


@task(
    name="resample",
    task_run_name="resample {model.name}",
    **cached("numpy", "polars"),
)
def resample(
    model: Plugin,
    prepared: Artifact,
    params: Resampling,
    plugins: list[Plugin],
    seed: int,
    device: str,
    demanded: bool = False,
) -> Artifact:
    """Return `compare/<model>/resamples`; `plugins`: all that it may use.

    `demanded`: params ask for a GPU by name.
    """
    count = params.count(model)
    device, _ = devices.placed(model.name, device, demanded)
    with slots.working(device):
        outcome = child.run(
            resample_scores,
            *(prepared.path, model, count, params.resamples, seed, params.threads, device),
            threads=params.threads,
            seed=seed,
            time_limit_s=params.time_limit_s,
            label=f"resample {model.name}",
        )
    with store.writing() as out:
        _write(out / "scores.json", outcome.value)
        return store.put(f"compare/{model.name}/resamples", out)


@task(
    name="compare",
    task_run_name="compare",
    **cached("numpy", "polars", "scipy"),
)
def compare(
    fitted: list[Artifact],
    resamples: list[Artifact],
    prepared: Artifact,
    params: Params,
    metrics: list[Plugin],
    seed: int,
) -> Artifact:
    """Return `compare/leaderboard` of the models `train/<name>` and their resamples.

    Raises:
        ParamsError: the primary metric is none of the task's.
    """
    opened = Prepared(prepared.path)
    judged = opened.meta.judged
    numbers = opened.row_numbers(judged)
    predictions = {m.name.split("/")[1]: _predictions(m, numbers) for m in fitted}
    scores = {
        r.name.split("/")[1]: json.loads(r.file("scores.json").read_text()) for r in resamples
    }
    board = leaderboard(opened.meta, opened.y(judged), predictions, scores, params, seed)
    with store.writing() as out:
        _write(out / "leaderboard.json", board)
        table(board).write_csv(out / "leaderboard.csv")
        return store.put("compare/leaderboard", out)


def _predictions(model: Artifact, row_numbers: np.ndarray) -> np.ndarray:
    """Return (n,) values, or (n, k) probabilities, of the judged rows in their order."""
    frame = pl.read_parquet(model.file("predictions.parquet"))
    if not np.array_equal(frame[ROW].to_numpy(), row_numbers):
        raise StoreError(f"{model.name}: predictions.parquet is not of the judged rows")
    if "prediction" in frame.columns:
        return frame["prediction"].cast(pl.Float64).to_numpy()
    columns = [name for name in frame.columns if name.startswith("p_")]
    return frame.select(columns).cast(pl.Float64).to_numpy()


def _write(path: Any, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False))
