"""Handwritten digits that come with scikit-learn: 1,797 real images of 8 x 8 pixels, ten classes.

Alpaydin & Kaynak 1998, UCI Optical Recognition of Handwritten Digits (its test part). Not for
claims about large images: the pixels are counts from 0 to 16.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.core.plugins import PluginParams
from tasks.core.schema import Table
from tasks.ingest.files import sole_file
from tasks.ingest.options import ReadOptions
from tasks.ingest.reading import Reading, read_table

ORIGIN = "bundled"
LIBRARIES = ("scikit-learn", "polars")
LICENCE = "CC BY 4.0 (UCI)"


class Params(PluginParams):
    """Nothing to set."""


def origin(params: Params, source: Path | None) -> str:
    """Return the version of scikit-learn, which bundles the data."""
    return f"scikit-learn {version('scikit-learn')}"


def fetch(params: Params, source: Path | None, folder: Path) -> None:
    """Write digits.parquet: image (8, 8, 1) uint8, digit integer."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    images = bunch.images.astype(np.uint8)[..., None]  # (n, 8, 8, 1)
    frame = pl.DataFrame(
        {
            "image": pl.Series(images, dtype=pl.Array(pl.UInt8, (8, 8, 1))),
            "digit": pl.Series(bunch.target, dtype=pl.Int64),
        }
    )
    frame.write_parquet(folder / "digits.parquet")


def read(raw: Path, params: Params, table: Table) -> Reading:
    """Return images and digits."""
    path = sole_file(raw)
    return read_table(
        path, table, ReadOptions(licence=LICENCE), "bundled with scikit-learn: digits"
    )
