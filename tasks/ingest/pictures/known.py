"""What the plugins of well-known image sets share: from the user's path, else from their origin."""

import hashlib
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from tasks.core.artifacts import file_digest, folder_digest
from tasks.core.errors import DataError, NothingObtained
from tasks.core.plugins import PluginParams
from tasks.core.schema import Table
from tasks.ingest.files import sole_file
from tasks.ingest.options import ReadOptions
from tasks.ingest.pictures import formats, pictures
from tasks.ingest.reading import Reading, read_table

TIMEOUT_S = 30
CHUNK = 1 << 20


class Params(PluginParams):
    """How much of the set is taken."""

    limit: int | None = Field(
        default=None,
        ge=1,
        description="images of each part, of each class by its share; null: all",
    )


@dataclass(frozen=True)
class Known:
    """A well-known set: its classes, the shape of its images (height, width, channel), and its
    files at their origin with the MD5 stated there.
    """

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    url: str
    files: dict[str, str]
    licence: str


def origin(known: Known, source: Path | None) -> str:
    """Return a digest of the user's files, else of the checksums of the download."""
    if source is None:
        text = "".join(known.files.values())
        return f"{known.name} md5 {hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}"
    return digest(source)


def digest(source: Path) -> str:
    """Return a digest of a file, of a folder, or of all files that a pattern names."""
    if source.is_dir():
        return folder_digest(source)
    files = [source] if source.exists() else sorted(source.parent.glob(source.name))
    return hashlib.sha256("".join(file_digest(f) for f in files).encode()).hexdigest()


def fetch(known: Known, params: Params, source: Path | None, folder: Path) -> None:
    """Write images.parquet, from the user's files or from the origin.

    Raises:
        NothingObtained: there are neither files nor a network, or what came is damaged.
        DataError: the user's files are not those of the set.
    """
    if source is not None:
        _write(known, params, source, folder)
        return
    with tempfile.TemporaryDirectory() as place:
        for name, md5 in known.files.items():
            _download(known, name, md5, Path(place) / name)
        only = Path(place) / next(iter(known.files))
        _write(known, params, only if len(known.files) == 1 else Path(place), folder)


def _write(known: Known, params: Params, source: Path, folder: Path) -> None:
    found, notes = formats.read(source, gray=known.shape[2] == 1)
    for each in found:
        shape = each.images.shape[1:]
        if shape != known.shape or each.form not in ("", known.name):
            what = f"those of {each.form}" if each.form else f"images of {shape}"
            raise DataError(
                f"{source.name}: expected the images of {known.name}, {known.shape}; found {what}. "
                f"Set ingest.dataset to {each.form or 'folder'}"
            )
    pictures.write(found, folder, known.classes, params.limit, notes)


def read(known_licence: str | None, raw: Path, table: Table, origin: str) -> Reading:
    """Return the typed table: image, label and, where it is known, split."""
    path = sole_file(raw)
    reading = read_table(path, table, ReadOptions(licence=known_licence), origin)
    reading.source["notes"] += pictures.notes_of(path)
    return reading


def _download(known: Known, name: str, md5: str, path: Path) -> None:
    found = hashlib.md5(usedforsecurity=False)  # what the origin states; a check against damage
    try:
        answer = urllib.request.urlopen(known.url + name, timeout=TIMEOUT_S)
        with answer, open(path, "wb") as file:
            while part := answer.read(CHUNK):
                found.update(part)
                file.write(part)
    except (OSError, urllib.error.URLError) as error:
        reason = str(getattr(error, "reason", error))
        raise NothingObtained(
            f"{known.name}: no files are given and the download failed ({reason}). Files may be "
            f"{formats.EXPECTED}"
        ) from None
    if found.hexdigest() != md5:
        raise NothingObtained(
            f"{known.name}: {known.url}{name} has MD5 {found.hexdigest()}, expected {md5}, "
            f"which its origin states. Try again. Files of yours may be {formats.EXPECTED}"
        )
