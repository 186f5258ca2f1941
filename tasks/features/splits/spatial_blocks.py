"""Whole blocks of a grid on latitude and longitude: test rows lie away from training rows.

Roberts et al. 2017, "Cross-validation strategies for data with temporal, spatial, hierarchical, or
phylogenetic structure". For a model that is to be used at new places; where it only fills in
between known ones, this is too hard a test.
"""

import numpy as np
import polars as pl
from pydantic import Field

from tasks.core.errors import DataError
from tasks.core.plugins import PluginParams, unknown
from tasks.core.schema import Table
from tasks.features import grouping

LATITUDES = ("latitude", "lat")
LONGITUDES = ("longitude", "lon", "lng", "long")


class Params(PluginParams):
    """Where the coordinates stand, and how fine the grid is."""

    latitude: str | None = Field(default=None, description="column; null: the one with such a name")
    longitude: str | None = Field(
        default=None, description="column; null: the one with such a name"
    )
    blocks: int = Field(default=10, ge=2, le=1000, description="blocks along each side of the area")
    test_share: float = Field(default=0.2, gt=0, lt=1)
    folds: int = Field(default=5, ge=2, le=50, description="resamples are repeats of this k-fold")


def parts(frame: pl.DataFrame, spec: Table, params: Params, seed: int) -> dict[str, np.ndarray]:
    """Return the positions of the rows of each part, in table order.

    Raises:
        DataError: the coordinates are not found, or all rows lie in fewer than 3 blocks.
    """
    mask = grouping.test_mask(_keys(frame, params), params.test_share, seed, "spatial blocks")
    return {"train": np.flatnonzero(~mask), "test": np.flatnonzero(mask)}


def resamples(
    frame: pl.DataFrame, spec: Table, params: Params, count: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return `count` pairs (training rows, test rows): k-fold over blocks, repeated."""
    return grouping.folds(_keys(frame, params), count, params.folds, seed)


def stop(frame: pl.DataFrame, spec: Table, params: Params, share: float, seed: int) -> np.ndarray:
    """Return the mask of rows for early stopping, (n,) bool: whole blocks."""
    return grouping.stop_mask(_keys(frame, params), share, seed)


def note(frame: pl.DataFrame, spec: Table, params: Params) -> str:
    """Return the split in words."""
    names = " and ".join(reads(frame.columns, params))
    count = int(_keys(frame, params).max()) + 1
    return f"whole blocks of {names} ({count} with rows), about {params.test_share:.0%} for test"


def reads(columns: list[str], params: Params) -> tuple[str, str]:
    """Return the names of the latitude and longitude columns.

    Raises:
        DataError: a named column does not exist, or none has such a name.
    """
    found, problems = [], []
    for side, named, usual in (
        ("latitude", params.latitude, LATITUDES),
        ("longitude", params.longitude, LONGITUDES),
    ):
        match = named or next((c for c in columns if c.lower() in usual), None)
        if match is None:
            problems.append(
                f"no column named {' or '.join(usual)}; set features.split.params.{side}"
            )
        elif match not in columns:
            problems.append(
                unknown(f"column {match!r} (features.split.params.{side})", match, columns)
            )
        else:
            found.append(match)
    if problems:
        raise DataError("split spatial_blocks: " + "; ".join(problems))
    return found[0], found[1]


def _keys(frame: pl.DataFrame, params: Params) -> np.ndarray:
    cells = []
    for name in reads(frame.columns, params):
        column = frame[name].cast(pl.Float64)
        low, high = column.to_frame("x").select(low=pl.min("x"), high=pl.max("x")).row(0)
        width = ((high - low) / params.blocks) or 1.0
        cells.append(((column - low) / width).floor().clip(0, params.blocks - 1).alias(name))
    return grouping.keys_of(pl.DataFrame(cells), [cell.name for cell in cells])
