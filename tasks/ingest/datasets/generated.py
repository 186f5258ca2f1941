"""A small table made from a seed: numbers, a category, missing values; for tests and harnesses.

Not for claims about models: the truth is a smooth function of few columns with noise on it.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field

from tasks.core.plugins import PluginParams
from tasks.core.schema import Table
from tasks.ingest.files import sole_file
from tasks.ingest.options import ReadOptions
from tasks.ingest.reading import Reading, read_table

ORIGIN = "generated"
LIBRARIES = ("numpy", "polars")
LICENCE = "CC0 1.0 (generated)"
COLOURS = ("blue", "green", "red")


class Params(PluginParams):
    """Size, task and dirt of the table. Columns: x1 … xn, colour, y."""

    task: Literal["classification", "regression"] = "regression"
    rows: int = Field(default=400, ge=20, le=1_000_000)
    features: int = Field(default=5, ge=2, le=200, description="numeric columns")
    classes: int = Field(default=3, ge=2, le=20)
    noise: float = Field(
        default=0.3, ge=0, description="standard deviation; the signal's is about 1"
    )
    missing_share: float = Field(default=0.02, ge=0, lt=0.5, description="of the numeric cells")
    seed: int = Field(default=0, ge=0)


def origin(params: Params, source: Path | None) -> str:
    """Return the version of NumPy, whose generator makes the data."""
    return f"numpy {version('numpy')}"


def fetch(params: Params, source: Path | None, folder: Path) -> None:
    """Write generated.parquet."""
    random = np.random.default_rng(params.seed)
    X = random.standard_normal((params.rows, params.features))  # (row, feature)
    colour = random.integers(0, len(COLOURS), params.rows)
    signal = np.sin(X[:, 0]) + 0.6 * X[:, 1] + 0.5 * (colour - 1)
    score = signal + params.noise * random.standard_normal(params.rows)
    missing = random.random(X.shape) < params.missing_share
    columns: dict[str, pl.Series] = {}
    for index in range(params.features):
        values = pl.Series(np.round(X[:, index], 6))
        columns[f"x{index + 1}"] = pl.select(
            pl.when(~pl.Series(missing[:, index])).then(values)
        ).to_series()
    columns["colour"] = pl.Series([COLOURS[index] for index in colour])
    if params.task == "regression":
        columns["y"] = pl.Series(np.round(score, 6))
    else:
        edges = np.quantile(score, np.arange(1, params.classes) / params.classes)
        columns["y"] = pl.Series([f"class_{k}" for k in np.searchsorted(edges, score)])
    pl.DataFrame(columns).write_parquet(folder / "generated.parquet")


def read(raw: Path, params: Params, table: Table) -> Reading:
    """Return the typed table."""
    origin = f"generated from seed {params.seed}"
    return read_table(sole_file(raw), table, ReadOptions(licence=LICENCE), origin)
