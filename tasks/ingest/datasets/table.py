"""A table file of the user's own: CSV, CSV.gz, Parquet or Arrow; everything is found out from it.

Not for images or for several files: join them first, or write a dataset plugin.
"""

import shutil
from pathlib import Path

from tasks.core.artifacts import file_digest
from tasks.core.schema import Table
from tasks.ingest.files import data_file, kind, sole_file
from tasks.ingest.options import ReadOptions
from tasks.ingest.reading import Reading, read_table

ORIGIN = "file"
LIBRARIES = ("polars",)


class Params(ReadOptions):
    """What the file is to be taken for, where it is not to be found out."""


def origin(params: Params, source: Path | None) -> str:
    """Return the sha256 of the user's file."""
    return file_digest(data_file(source))


def fetch(params: Params, source: Path | None, folder: Path) -> None:
    """Copy the user's file as it is, under its own name."""
    path = data_file(source)
    kind(path)  # what is not a table is refused before it is copied and versioned
    shutil.copyfile(path, folder / path.name)


def read(raw: Path, params: Params, table: Table) -> Reading:
    """Return the typed table of the one file in the folder."""
    return read_table(sole_file(raw), table, params)
