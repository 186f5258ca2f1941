"""Images of your own: folders of classes, or any other form that the well-known sets come in.

`class/image.png`, or `train/class/image.png` beside `test/…`; also IDX, .npz, Parquet with encoded
images. An image is turned as its EXIF entry says, 16 bits become 8 by their share of the whole
range, transparent pixels become white. Not for boxes, masks or amounts: one class an image.
"""

from pathlib import Path

from pydantic import Field

from tasks.core.errors import DataError
from tasks.core.schema import Table
from tasks.ingest.pictures import formats, known, pictures
from tasks.ingest.reading import Reading

ORIGIN = "file"
FOLDER = True
LIBRARIES = ("numpy", "pillow", "polars")


class Params(known.Params):
    """How the images are read."""

    size: tuple[int, int] | None = Field(
        default=None, description="[height, width] that all are resized to; null: as they are"
    )
    gray: bool = Field(default=False, description="one channel instead of three")
    licence: str | None = Field(default=None, description="stated in source.json and the report")


def origin(params: Params, source: Path | None) -> str:
    """Return a digest of the files."""
    return known.digest(_given(source))


def fetch(params: Params, source: Path | None, folder: Path) -> None:
    """Write images.parquet."""
    found, notes = formats.read(_given(source), params.size, params.gray)
    pictures.write(found, folder, (), params.limit, notes)


def read(raw: Path, params: Params, table: Table) -> Reading:
    """Return image, label and, where the folders say it, split."""
    return known.read(params.licence, raw, table, "images of the user's own")


def _given(source: Path | None) -> Path:
    if source is None:
        raise DataError(f"no images: set ingest.path to {formats.EXPECTED}")
    return source
