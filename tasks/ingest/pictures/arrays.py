"""Images that lie as plain numbers: IDX, `.npz`, and CIFAR's binary version."""

import gzip
import io
import lzma
import math
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tasks.core.errors import DataError
from tasks.ingest.pictures.pictures import Pictures, labels_of, part_of

IDX_BYTES = 0x08  # the only type that sets of images use
CIFAR_SHAPE = (3, 32, 32)
CIFAR_IMAGE = 3072
MOST_CHANNELS = 4
PICKLED = (
    "CIFAR's python version, whose files are pickles and may run any code; get the binary version"
)
DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError)


def npz(path: Path) -> list[Pictures]:
    """Return the images of an `.npz` whose arrays are named after their parts.

    Raises:
        DataError: it is damaged, or has no images with labels.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            others = [n for n in archive.namelist() if not n.endswith((".npy", "/"))]
        if others:
            raise DataError(
                f"{path.name}: a zip archive of other files than arrays ({others[0]} …); unpack it "
                "and give the folder"
            )
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            given = {name: arrays[name] for name in arrays.files}
    except (ValueError, zipfile.BadZipFile, NotImplementedError, *DAMAGED) as error:
        raise DataError(f"{path.name}: cannot be read as .npz ({error})") from None
    return paired(given, path.name)


def idx_pairs(files: list[Path]) -> list[Pictures]:
    """Return the images of IDX files, each with the labels of another.

    Raises:
        DataError: one is damaged, or has no counterpart.
    """
    return paired({path.name: idx(path) for path in files}, str(files[0].parent))


def paired(arrays: Mapping[str, np.ndarray], where: str) -> list[Pictures]:
    """Return the images among named arrays, each with the labels of the same part.

    Raises:
        DataError: a part has not one array of images and one of labels, or of unequal length.
    """
    parts: dict[str, tuple[list[str], list[str]]] = {}
    for name, values in arrays.items():
        if values.ndim:
            parts.setdefault(part_of(name), ([], []))[values.ndim < 3].append(name)
    if any(images for part, (images, _) in parts.items() if part):
        parts.pop("", None)  # what else lies beside: names of classes, say
    if not parts:
        raise DataError(f"{where}: expected arrays x_train, y_train, x_test …, found none")
    found = []
    for part, (images, labels) in sorted(parts.items()):
        lengths = {len(arrays[name]) for name in images + labels}
        if (len(images), len(labels), len(lengths)) != (1, 1, 1):
            shown = ", ".join(f"{n} {arrays[n].shape}" for n in images + labels)
            raise DataError(
                f"{where}: part {part or 'unnamed'!r}: expected one array of images, (n, height, "
                f"width), and one of as many labels, such as x_train and y_train; found {shown}"
            )
        values = _images(arrays[images[0]], f"{where}: {images[0]}")
        found.append(Pictures(values, labels_of(arrays[labels[0]], f"{where}: {labels[0]}"), part))
    return found


def _images(values: np.ndarray, where: str) -> np.ndarray:
    """Return (n, height, width, channel) uint8; also of (n, height, width), and channels first."""
    if values.dtype != np.uint8 or values.ndim not in (3, 4):
        raise DataError(
            f"{where}: expected images as uint8 (0 to 255) of (n, height, width) or (n, height, "
            f"width, channel), found {values.dtype} {values.shape}"
        )
    if values.ndim == 3:
        return values[..., None]
    if values.shape[3] > MOST_CHANNELS >= values.shape[1]:
        values = np.ascontiguousarray(values.transpose(0, 2, 3, 1))
    if values.shape[3] > MOST_CHANNELS:
        raise DataError(
            f"{where}: expected 1 to {MOST_CHANNELS} channels in the last place (or the second), "
            f"found {values.shape}"
        )
    return values


def idx(path: Path) -> np.ndarray:
    """Return the array of an IDX file: two zero bytes, the type, the dimensions, their sizes.

    Raises:
        DataError: it is none, or damaged.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except DAMAGED as error:
        raise DataError(f"{path.name}: cannot be unpacked ({error}); get it again") from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != IDX_BYTES:
        raise DataError(f"{path.name}: not an IDX file of bytes; it begins with {content[:4]!r}")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise DataError(
            f"{path.name}: expected the sizes of {content[3]} dimensions, found {len(content)} "
            "bytes in all; get it again"
        )
    shape = np.frombuffer(content, ">u4", content[3], 4).tolist()
    if len(content) - start != math.prod(shape):
        raise DataError(
            f"{path.name}: expected {math.prod(shape)} values {tuple(shape)}, found "
            f"{len(content) - start}; get it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def archive(path: Path) -> list[Pictures]:
    """Return the images of CIFAR's binary version in one tar archive.

    Raises:
        DataError: it is damaged, or another archive.
    """
    try:
        with tarfile.open(path) as packed:
            members = [m for m in packed.getmembers() if m.isfile()]
            chosen = sorted((m for m in members if m.name.endswith(".bin")), key=lambda m: m.name)
            if not chosen:
                pickled = any("_batch" in m.name for m in members)
                other = "holds no .bin files of CIFAR; unpack it and give the folder"
                raise DataError(f"{path.name}: {PICKLED if pickled else other}")
            contents = {
                Path(m.name).name: (packed.extractfile(m) or io.BytesIO()).read() for m in chosen
            }
            if packed.fileobj:
                packed.fileobj.read(-1)  # to the end, where the checksum is
    except (tarfile.TarError, *DAMAGED) as error:
        raise DataError(f"{path.name}: a damaged archive ({error}); get it again") from None
    return [cifar(content, name) for name, content in contents.items()]


def cifar(content: bytes, name: str) -> Pictures:
    """Return the images of a binary batch: a label (CIFAR-100: coarse, then fine), then pixels.

    Raises:
        DataError: it is none.
    """
    labels = next((n for n in (1, 2) if content and len(content) % (CIFAR_IMAGE + n) == 0), None)
    if labels is None:
        raise DataError(
            f"{name}: {len(content)} bytes are no whole number of CIFAR's records (3,073 or 3,074)"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, CIFAR_IMAGE + labels)
    images = records[:, labels:].reshape(-1, *CIFAR_SHAPE).transpose(0, 2, 3, 1)
    form = "cifar10" if labels == 1 else "cifar100"
    given = records[:, labels - 1].tolist()
    return Pictures(np.ascontiguousarray(images), given, part_of(name), form)
