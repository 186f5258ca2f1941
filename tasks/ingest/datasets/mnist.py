"""Handwritten digits of MNIST: 70,000 grey images of 28 x 28 pixels, ten classes.

LeCun, Cortes & Burges 1998. Not for claims about hard problems: simple models reach 98 of 100.
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
    name="mnist",
    classes=tuple("0123456789"),
    shape=(28, 28, 1),
    url="https://ossci-datasets.s3.amazonaws.com/mnist/",
    files={
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    licence="CC BY-SA 3.0 (as commonly cited)",
)


def origin(params: Params, source: Path | None) -> str:
    """Return a digest of the user's files, else of the checksums of the download."""
    return known.origin(SET, source)


def fetch(params: Params, source: Path | None, folder: Path) -> None:
    """Write images.parquet, from the user's files or from the origin."""
    known.fetch(SET, params, source, folder)


def read(raw: Path, params: Params, table: Table) -> Reading:
    """Return image (28, 28, 1), label and split."""
    return known.read(SET.licence, raw, table, "MNIST")
