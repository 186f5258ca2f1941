"""The comparison's work: from predictions and resamples to the leaderboard's files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.compare.leaderboard import leaderboard, table
from tasks.compare.params import Params
from tasks.core.errors import StoreError
from tasks.core.prepared import Prepared
from tasks.core.schema import ROW


def write_leaderboard(
    fitted: dict[str, Path],
    resamples: dict[str, Path],
    prepared: Path,
    params: Params,
    seed: int,
    out: Path,
) -> None:
    """Write leaderboard.json and leaderboard.csv of models: name -> where its fit, its scores lie.

    Raises:
        ParamsError: the primary metric is none of the task's.
        StoreError: predictions are not of the judged rows.
    """
    opened = Prepared(prepared)
    judged = opened.meta.judged
    numbers = opened.row_numbers(judged)
    predictions = {name: _predictions(folder, numbers) for name, folder in fitted.items()}
    scores = {
        name: json.loads((folder / "scores.json").read_text()) for name, folder in resamples.items()
    }
    board = leaderboard(opened.meta, opened.y(judged), predictions, scores, params, seed)
    write_json(out / "leaderboard.json", board)
    table(board).write_csv(out / "leaderboard.csv")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON that is the same for the same content."""
    path.write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False))


def _predictions(fitted: Path, row_numbers: np.ndarray) -> np.ndarray:
    """Return (n,) values, or (n, k) probabilities, of the judged rows in their order."""
    path = fitted / "predictions.parquet"
    frame = pl.read_parquet(path)
    if not np.array_equal(frame[ROW].to_numpy(), row_numbers):
        raise StoreError(f"{path}: not of the judged rows")
    if "prediction" in frame.columns:
        return frame["prediction"].cast(pl.Float64).to_numpy()
    columns = [name for name in frame.columns if name.startswith("p_")]
    return frame.select(columns).cast(pl.Float64).to_numpy()
