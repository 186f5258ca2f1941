"""CIFAR-10: 60,000 colour images of 32 x 32 pixels, ten classes.

Krizhevsky 2009. Not for claims about large photographs.
"""

from pathlib import Path

from tasks.core.schema import Table
from tasks.ingest.pictures import known
from tasks.ingest.pictures.known import Params
from tasks.ingest.reading import Reading

__all__ = ["Params"]
ORIGIN = "remote"
FOLDER = True
LIBRARIES = ("numpy", "pillow", "polars")
SET = known.Known(
    name="cifar10",
    classes=(
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
    shape=(32, 32, 3),
    url="https://www.cs.toronto.edu/~kriz/",
    files={"cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"},
    licence="none stated",
)


def origin(params: Params, source: Path | None) -> str:
    """Return a digest of the user's files, else of the checksums of the download."""
    return known.origin(SET, source)


def fetch(params: Params, source: Path | None, folder: Path) -> None:
    """Write images.parquet, from the user's files or from the origin."""
    known.fetch(SET, params, source, folder)


def read(raw: Path, params: Params, table: Table) -> Reading:
    """Return image (32, 32, 3), label and split."""
    return known.read(SET.licence, raw, table, "CIFAR-10")
