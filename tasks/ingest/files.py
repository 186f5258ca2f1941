"""What a file is: a table that can be read, or something else that is named."""

import gzip
import re
import zlib
from pathlib import Path
from typing import Literal

from tasks.core.errors import DataError

Kind = Literal["text", "gzip", "parquet", "arrow"]
READABLE = "CSV, CSV.gz, Parquet or Arrow (Feather)"
MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook (.xlsx)", "unpack it, or save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", "save it as CSV"),
    (b"%PDF", "a PDF document", "export the table as CSV"),
    (b"BZh", "bzip2 compressed", "unpack it, or compress it with gzip"),
    (b"\xfd7zXZ", "xz compressed", "unpack it, or compress it with gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd compressed", "unpack it, or compress it with gzip"),
    (b"\x04\x22\x4d\x18", "lz4 compressed", "unpack it, or compress it with gzip"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"Rar!", "a rar archive", "unpack it"),
    (b"SQLite format 3", "an SQLite database", "export the table as CSV"),
    (b"\x89HDF", "an HDF5 file", "export the table as Parquet or CSV"),
    (b"\x93NUMPY", "a NumPy array", "save it as Parquet or CSV with named columns"),
    (b"FEA1", "Feather version 1", "save it again as Feather version 2 or Parquet"),
    (b"ORC", "an ORC file", "save it as Parquet"),
    (b"Obj\x01", "an Avro file", "save it as Parquet"),
    (b"\x89PNG", "a PNG image", "give a table"),
    (b"\xff\xd8\xff", "a JPEG image", "give a table"),
    (b"SIMPLE  =", "a FITS file", "save the table as Parquet or CSV"),
)
MARKUP: tuple[tuple[str, str], ...] = (
    (r"<!doctype html|<html|<head|<body", "an HTML page (a download that met a log-in page?)"),
    (r"<\?xml|<[a-z]+[\s>]", "an XML document"),
    (r"\{\s*[\"}]|\[\s*[\[{\"\d]", "JSON"),
)


def data_file(source: Path | None) -> Path:
    """Return the path of a file that is there and not empty.

    Raises:
        DataError: no file is named, it is not there, it is a folder, it cannot be read, or it is
        empty.
    """
    if source is None:
        raise DataError(
            "no data: set ingest.path to a file "
            f"({READABLE}), or put one into data/raw of the workload"
        )
    if not source.exists():
        beside = sorted(p.name for p in source.parent.glob("*")) if source.parent.is_dir() else []
        import difflib

        near = difflib.get_close_matches(source.name, beside, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DataError(f"{source}: no such file.{hint} Set ingest.path to a table file.")
    if not source.is_file():
        raise DataError(f"{source}: a folder, expected one file ({READABLE})")
    try:
        with open(source, "rb") as stream:
            if not stream.read(1):
                raise DataError(f"{source.name}: the file is empty, expected {READABLE}")
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error.strerror})") from None
    return source


def sole_file(folder: Path) -> Path:
    """Return the one data file of a raw artifact's folder.

    Raises:
        DataError: there is none, or more than one.
    """
    files = sorted(
        p
        for p in folder.iterdir()
        if p.is_file() and not p.name.startswith(".") and p.suffix != ".dvc"
    )
    if len(files) != 1:
        found = ", ".join(p.name for p in files[:5]) or "none"
        raise DataError(f"{folder.name}: expected one data file, found {found}")
    return files[0]


def kind(path: Path) -> Kind:
    """Return what the file's first bytes say it is.

    Raises:
        DataError: it is something that is not read, by name, with what to do about it.
    """
    with open(path, "rb") as stream:
        head = stream.read(16)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return "arrow"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    refuse(head, path.name)
    return "text"


def refuse(head: bytes, name: str) -> None:
    """Raise a DataError where the first bytes are those of a known format that is not read."""
    for magic, what, remedy in MAGIC:
        if head.startswith(magic):
            raise DataError(f"{name}: this is {what}, expected {READABLE}; {remedy}")


def refuse_markup(text: str, name: str) -> None:
    """Raise a DataError where a text begins like HTML, XML or JSON."""
    start = text[:500].lstrip().lower()
    for pattern, what in MARKUP:
        if re.match(pattern, start):
            shown = " ".join(start[:40].split())
            raise DataError(
                f"{name}: this is {what}, expected {READABLE}; it begins with {shown!r}"
            )


def unzip(path: Path) -> bytes:
    """Return the unpacked bytes of a gzip file.

    Raises:
        DataError: the file is cut off or damaged, or holds something that is not text.
    """
    try:
        with gzip.open(path, "rb") as stream:
            content = stream.read()
    except EOFError:
        raise DataError(
            f"{path.name}: the gzip file is cut off (an interrupted download?); get it again"
        ) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path.name}: the gzip file is damaged ({error}); get it again") from None
    if not content:
        raise DataError(f"{path.name}: the gzip file holds no data")
    if content.startswith((b"PAR1", b"ARROW1", b"\x1f\x8b")) or b"ustar" in content[257:265]:
        raise DataError(
            f"{path.name}: a gzip file that holds Parquet, Arrow or an archive; unpack it first"
        )
    refuse(content[:16], path.name)
    return content
