"""Real `features/prepared` folders for tests, made by the code of bundled or made-up rows."""

from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from tasks.core.prepared import Prepared
from tasks.core.schema import ROW, Column, Columns, Table
from tasks.features.params import Params
from tasks.features.prepare import prepare


def digits_table() -> tuple[pl.DataFrame, Table]:
    """Return scikit-learn's digits, 1797 images (8, 8, 1) of 10 classes, as `clean` leaves them."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = data.images.astype(np.uint8)[..., None]
    frame = pl.DataFrame(
        {
            ROW: pl.Series(range(1, len(images) + 1), dtype=pl.UInt32),
            "image": pl.Series(images, dtype=pl.Array(pl.UInt8, (8, 8, 1))),
            "digit": pl.Series(data.target.astype(str)),
        }
    )
    columns = {"image": Column(type="image"), "digit": Column(type="category", role="target")}
    return frame, Table(task="classification", target="digit", columns=columns)


def generated_table(
    task: Literal["regression", "classification"] = "regression",
    rows: int = 300,
    with_categories: bool = True,
    seed: int = 0,
) -> tuple[pl.DataFrame, Table]:
    """Return a generated table with missing values, and categories and a boolean where wanted."""
    random = np.random.default_rng(seed)
    a, b, c = random.normal(10, 3, rows), random.exponential(50, rows), random.integers(0, 9, rows)
    color = random.choice(["blue", "green", "red"], rows, p=[0.5, 0.4, 0.1])
    flag = random.random(rows) < 0.3
    signal = 0.5 * (a - 10) + 0.02 * (b - 50) * (c > 4) + (color == "red") * 2 + flag
    signal = signal + random.normal(0, 0.3, rows)
    b_missing = random.random(rows) < 0.08
    columns: Columns = {n: Column(type="float") for n in ("a", "b")} | {"c": Column(type="integer")}
    frame = pl.DataFrame(
        {
            ROW: pl.Series(range(1, rows + 1), dtype=pl.UInt32),
            "a": a,
            "b": pl.Series([None if m else v for v, m in zip(b.tolist(), b_missing, strict=True)]),
            "c": pl.Series(c, dtype=pl.Int64),
        }
    )
    if with_categories:
        missing = random.random(rows) < 0.05
        texts = [None if m else str(v) for v, m in zip(color, missing, strict=True)]
        frame = frame.with_columns(color=pl.Series(texts), flag=pl.Series(flag))
        columns |= {"color": Column(type="category"), "flag": Column(type="boolean")}
    if task == "regression":
        frame = frame.with_columns(y=pl.Series(signal))
        columns["y"] = Column(type="float", role="target")
    else:
        cuts = np.quantile(signal, [0.4, 0.8])
        labels = np.array(["high", "low", "middle"])[[1, 2, 0]][np.searchsorted(cuts, signal)]
        frame = frame.with_columns(y=pl.Series(labels.tolist()))
        columns["y"] = Column(type="category", role="target")
    return frame, Table(task=task, target="y", columns=columns)


def prepared(
    frame: pl.DataFrame, spec: Table, folder: Path, params: Params | None = None, seed: int = 0
) -> Prepared:
    """Write `features/prepared` of a table into a folder and return it opened."""
    folder.mkdir(parents=True, exist_ok=True)
    prepare(frame, spec, params or Params(), seed, folder)
    return Prepared(folder)


def prepared_digits(folder: Path) -> Prepared:
    """Return the digits, prepared: images (8, 8, 1) uint8, 64 features, 1438 train, 359 test."""
    return prepared(*digits_table(), folder)


def prepared_table(
    folder: Path,
    task: Literal["regression", "classification"] = "regression",
    rows: int = 300,
    with_categories: bool = True,
    seed: int = 0,
) -> Prepared:
    """Return a generated table, prepared; without categories all its inputs are numbers."""
    return prepared(*generated_table(task, rows, with_categories, seed), folder, seed=seed)
