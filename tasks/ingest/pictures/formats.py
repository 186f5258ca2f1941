"""Reads images from IDX, `.npz`, CIFAR's binaries, Parquet with images, class folders."""

from pathlib import Path
from typing import NamedTuple

from tasks.core.errors import DataError
from tasks.ingest.pictures import arrays, encoded
from tasks.ingest.pictures.encoded import Encoded, Size
from tasks.ingest.pictures.pictures import Pictures

EXPECTED = (
    "IDX files (train-images-idx3-ubyte, also .gz), an .npz with x_train, y_train, x_test, y_test, "
    "CIFAR's binary version (.bin or .tar.gz), Parquet with encoded images, or folders of classes"
)
TAR = (".tar.gz", ".tgz", ".tar")


class Found(NamedTuple):
    """What a place holds: images to decode, images as arrays; `notes`: what was left out."""

    encoded: list[Encoded]
    arrays: list[Pictures]
    notes: list[str]


def read(source: Path, size: Size = None, gray: bool = False) -> tuple[list[Pictures], list[str]]:
    """Return the images of a file, a folder, or of all files that a pattern (`*.parquet`) names.

    Args:
        source: where they lie.
        size: (height, width) that images are resized to; None: as they are.
        gray: make one channel, instead of three.

    Returns:
        The images, and words for what was left out.

    Raises:
        DataError: it is none of the known forms, or damaged.
    """
    found = look(source)
    images = list(found.encoded)
    plain: list[Pictures] = []
    for each in found.arrays:
        height, width, channels = each.images.shape[1:]
        if (size and size != (height, width)) or (gray and channels > 1):
            images += encoded.of_arrays(each)
        else:
            plain.append(each)
    return [*plain, *encoded.decoded(images, size, gray, source.name)], found.notes


def holds(path: Path) -> bool:
    """Return whether a place is to be read as images, not as a table."""
    if path.is_dir():
        return any(holds(each) for each in path.rglob("*") if each.is_file())
    if _is_idx(path) or path.name.lower().endswith((".npz", ".bin", *TAR, *encoded.SUFFIXES)):
        return True
    return path.suffix == ".parquet" and path.is_file() and encoded.in_parquet(path)


def look(source: Path) -> Found:
    """Return what images there are in a file, in a folder, or in all files that a pattern names.

    Raises:
        DataError: it is none of the known forms, or damaged.
    """
    if source.is_dir():
        return _folder(source)
    files = [source] if source.exists() else sorted(source.parent.glob(source.name))
    files = [file for file in files if file.is_file()]
    if not files:
        raise DataError(f"{source}: no such file or folder. Set ingest.path to {EXPECTED}")
    return _files(files)


def _folder(folder: Path) -> Found:
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    chosen = [p for p in files if _is_idx(p)]
    for suffixes in ((".bin",), (".parquet",), (".npz",), TAR):
        chosen = chosen or [p for p in files if p.name.endswith(suffixes)]
    if chosen:
        return _files(chosen)
    if any(p.name.startswith(("data_batch", "test_batch")) for p in files):
        raise DataError(f"{folder}: {arrays.PICKLED}")
    if any(p.is_dir() for p in folder.iterdir()):
        notes: list[str] = []
        return Found(encoded.classes(folder, notes), [], notes)
    raise DataError(f"{folder}: found no images; expected {EXPECTED}")


def _files(files: list[Path]) -> Found:
    found = Found([], [], [])
    if pairs := [path for path in files if _is_idx(path)]:
        found.arrays.extend(arrays.idx_pairs(pairs))
    for path in files:
        if path not in pairs:
            _add(found, path)
    return found


def _add(found: Found, path: Path) -> None:
    try:
        with open(path, "rb") as stream:
            head = stream.read(4)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    if head.startswith(b"PK"):
        found.arrays.extend(arrays.npz(path))
    elif head == b"PAR1":
        found.encoded.extend(encoded.parquet(path))
    elif path.name.endswith(TAR):
        found.arrays.extend(arrays.archive(path))
    elif path.suffix == ".bin":
        found.arrays.append(arrays.cifar(path.read_bytes(), path.name))
    else:
        raise DataError(f"{path.name}: expected {EXPECTED}; it begins with {head!r}")


def _is_idx(path: Path) -> bool:
    return "-ubyte" in path.name or ".idx" in path.name
