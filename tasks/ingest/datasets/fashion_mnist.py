"""Fashion-MNIST: 70,000 grey images of clothes, 28 x 28 pixels, ten classes.

Xiao, Rasul & Vollgraf 2017 (arXiv 1708.07747). Not for claims about photographs.
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
    name="fashion_mnist",
    classes=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    shape=(28, 28, 1),
    url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    files={
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    licence="MIT",
)


def origin(params: Params, source: Path | None) -> str:
    """Return a digest of the user's files, else of the checksums of the download."""
    return known.origin(SET, source)


def fetch(params: Params, source: Path | None, folder: Path) -> None:
    """Write images.parquet, from the user's files or from the origin."""
    known.fetch(SET, params, source, folder)


def read(raw: Path, params: Params, table: Table) -> Reading:
    """Return image (28, 28, 1), label and split."""
    return known.read(SET.licence, raw, table, "Fashion-MNIST")
