"""What the plugins of well-known image sets share: from the user's path, else from their origin."""

import hashlib
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from tasks.core.artifacts import file_digest, folder_digest
from tasks.core.errors import NothingObtained
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
        default=None, ge=1, description="images of each part, the first ones; null: all"
    )


@dataclass(frozen=True)
class Known:
    """A well-known set: its classes, and its files at their origin with the MD5 stated there."""

    name: str
    classes: tuple[str, ...]
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
    """
    if source is not None and source.name == pictures.FILE:
        (folder / pictures.FILE).write_bytes(source.read_bytes())
        return
    if source is not None:
        pictures.write(formats.read(source), folder, known.classes, params.limit)
        return
    with tempfile.TemporaryDirectory() as place:
        for name, md5 in known.files.items():
            _download(known, name, md5, Path(place) / name)
        only = Path(place) / next(iter(known.files))
        found = formats.read(only if len(known.files) == 1 else Path(place))
        pictures.write(found, folder, known.classes, params.limit)


def read(known_licence: str | None, raw: Path, table: Table, origin: str) -> Reading:
    """Return the typed table: image, label and, where it is known, split."""
    return read_table(sole_file(raw), table, ReadOptions(licence=known_licence), origin)


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
