"""Images of your own: folders of classes, or any other form that the well-known sets come in.

`class/image.png`, or `train/class/image.png` beside `test/…`; also IDX, .npz, Parquet with encoded
images. Not for boxes or masks: one label an image.
"""

from pathlib import Path

from pydantic import Field

from tasks.core.errors import DataError
from tasks.core.schema import Table
from tasks.ingest.pictures import formats, known, pictures
from tasks.ingest.reading import Reading

ORIGIN = "file"
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
    source = _given(source)
    if source.name == pictures.FILE:
        (folder / pictures.FILE).write_bytes(source.read_bytes())
        return
    pictures.write(formats.read(source, params.size, params.gray), folder, (), params.limit)


def read(raw: Path, params: Params, table: Table) -> Reading:
    """Return image, label and, where the folders say it, split."""
    return known.read(params.licence, raw, table, "images of the user's own")


def _given(source: Path | None) -> Path:
    if source is None:
        raise DataError(f"no images: set ingest.path to {formats.EXPECTED}")
    return source
