"""Reads images from IDX, `.npz`, CIFAR's binaries, Parquet with encoded images, class folders."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.core.errors import DataError
from tasks.ingest.pictures.pictures import Pictures, part_of

IDX_BYTES = 0x08  # the only type that sets of images use
CIFAR_SHAPE = (3, 32, 32)
CIFAR_IMAGE = 3072
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
LABELS = ("label", "class_name", "class", "fine_label", "target", "y")
EXPECTED = (
    "IDX files (train-images-idx3-ubyte, also .gz), an .npz with x_train, y_train, x_test, y_test, "
    "CIFAR's binary version (.bin or .tar.gz), Parquet with encoded images, or folders of classes"
)
Size = tuple[int, int] | None


def read(source: Path, size: Size = None, gray: bool = False) -> list[Pictures]:
    """Return the images of a file, a folder, or of all files that a pattern (`*.parquet`) names.

    Args:
        source: where they lie.
        size: (height, width) that encoded images are resized to; None: as they are.
        gray: make one channel of encoded images, instead of three.

    Raises:
        DataError: it is none of the known forms, or damaged.
    """
    if source.is_dir():
        return _folder(source, size, gray)
    files = [source] if source.exists() else sorted(source.parent.glob(source.name))
    if not files:
        raise DataError(f"{source}: no such file or folder. Set ingest.path to {EXPECTED}")
    return (
        [p for file in files for p in _file(file, size, gray)]
        if len(files) > 1
        else _file(files[0], size, gray)
    )


def _folder(folder: Path, size: Size, gray: bool) -> list[Pictures]:
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    idx = [p for p in files if "-ubyte" in p.name or ".idx" in p.name]
    if idx:
        return _idx_pairs(idx)
    for suffix in (".bin", ".parquet"):
        chosen = [p for p in files if p.suffix == suffix]
        if chosen:
            return [q for p in chosen for q in _file(p, size, gray)]
    if any(p.name.startswith(("data_batch", "test_batch")) for p in files):
        raise DataError(f"{folder}: {PICKLED}")
    if any(p.is_dir() for p in folder.iterdir()):
        return list(_classes(folder, size, gray))
    raise DataError(f"{folder}: found no images; expected {EXPECTED}")


PICKLED = (
    "CIFAR's python version, whose files are pickles and may run any code; get the binary version"
)


def _file(path: Path, size: Size, gray: bool) -> list[Pictures]:
    with open(path, "rb") as stream:
        head = stream.read(4)
    if head.startswith(b"PK"):
        return _npz(path)
    if head == b"PAR1":
        return [_parquet(path, size, gray)]
    if path.name.endswith((".tar.gz", ".tgz", ".tar")):
        return _archive(path)
    if path.suffix == ".bin":
        return [_cifar(path.read_bytes(), path.name)]
    if "-ubyte" in path.name or ".idx" in path.name:
        return _idx_pairs(sorted(path.parent.glob(f"{path.name.split('-')[0]}-*")))
    raise DataError(f"{path.name}: expected {EXPECTED}; it begins with {head!r}")


def _npz(path: Path) -> list[Pictures]:
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            given = {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path.name}: cannot be read as .npz ({error})") from None
    parts = [n.removeprefix("x_") for n in given if n.startswith("x_")]
    if not parts or any(f"y_{part}" not in given for part in parts):
        found = ", ".join(sorted(given)) or "nothing"
        raise DataError(f"{path.name}: expected arrays x_train, y_train, x_test …, found {found}")
    return [
        Pictures(_as_images(given[f"x_{p}"], path.name), given[f"y_{p}"].ravel(), part_of(p))
        for p in parts
    ]


def _as_images(values: np.ndarray, name: str) -> np.ndarray:
    """Return (n, height, width, channel) uint8 of (n, height, width) too."""
    if values.dtype != np.uint8 or values.ndim not in (3, 4):
        raise DataError(
            f"{name}: expected images as uint8 (n, height, width) or (n, height, width, channel), "
            f"found {values.dtype} {values.shape}"
        )
    return values if values.ndim == 4 else values[..., None]


def _idx_pairs(files: list[Path]) -> list[Pictures]:
    arrays: dict[tuple[str, bool], np.ndarray] = {}
    for path in files:
        values = _idx(path)
        arrays[part_of(path.name), values.ndim > 1] = values
    found = []
    for part in sorted({part for part, _ in arrays}):
        images, labels = arrays.get((part, True)), arrays.get((part, False))
        if images is None or labels is None or len(images) != len(labels):
            raise DataError(
                f"{files[0].parent}: part {part or 'unnamed'!r}: expected as many images as labels "
                f"in two IDX files, found {None if images is None else len(images)} and "
                f"{None if labels is None else len(labels)}"
            )
        found.append(Pictures(_as_images(images, part), labels.astype(np.int64), part))
    return found


def _idx(path: Path) -> np.ndarray:
    """Return the array of an IDX file: two zero bytes, the type, the dimensions, their sizes."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise DataError(f"{path.name}: cannot be unpacked ({error}); get it again") from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != IDX_BYTES:
        raise DataError(f"{path.name}: not an IDX file of bytes; it begins with {content[:4]!r}")
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", dimensions, 4).astype(int)
    start = 4 + 4 * dimensions
    if len(content) - start != np.prod(shape):
        raise DataError(
            f"{path.name}: expected {np.prod(shape)} values {tuple(shape.tolist())}, found "
            f"{len(content) - start}; get it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _archive(path: Path) -> list[Pictures]:
    try:
        with tarfile.open(path) as archive:
            members = [m for m in archive.getmembers() if m.isfile()]
            chosen = sorted((m for m in members if m.name.endswith(".bin")), key=lambda m: m.name)
            if not chosen:
                pickled = any("_batch" in m.name for m in members)
                raise DataError(f"{path.name}: {PICKLED if pickled else 'holds no .bin files'}")
            contents = {Path(m.name).name: archive.extractfile(m) for m in chosen}
            return [_cifar(c.read(), name) for name, c in contents.items() if c is not None]
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise DataError(f"{path.name}: a damaged archive ({error}); get it again") from None


def _cifar(content: bytes, name: str) -> Pictures:
    """Return the images of a binary batch: a label (CIFAR-100: coarse, then fine), then pixels."""
    labels = next((n for n in (1, 2) if content and len(content) % (CIFAR_IMAGE + n) == 0), None)
    if labels is None:
        raise DataError(
            f"{name}: {len(content)} bytes are no whole number of CIFAR's records (3,073 or 3,074)"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, CIFAR_IMAGE + labels)
    images = records[:, labels:].reshape(-1, *CIFAR_SHAPE).transpose(0, 2, 3, 1)
    return Pictures(np.ascontiguousarray(images), records[:, labels - 1].astype(int), part_of(name))


def _parquet(path: Path, size: Size, gray: bool) -> Pictures:
    frame = pl.read_parquet(path)
    for name, dtype in frame.schema.items():  # Hugging Face keeps {bytes, path}
        if isinstance(dtype, pl.Struct) and "bytes" in {f.name for f in dtype.fields}:
            frame = frame.with_columns(pl.col(name).struct.field("bytes").alias(name))
    encoded = [n for n, dtype in frame.schema.items() if dtype == pl.Binary]
    labels = [n for n in LABELS if n in frame.columns]
    if "class_name" in labels:
        labels.insert(0, "class_name")
    if len(encoded) != 1 or not labels:
        raise DataError(
            f"{path.name}: expected one column of encoded images (binary) and one of "
            f"{', '.join(LABELS)}; found {frame.schema}"
        )
    images = [
        _decoded(content, size, gray, f"{path.name}: row {row}")
        for row, content in enumerate(frame[encoded[0]], 1)
    ]
    return Pictures(_stacked(images, path.name), frame[labels[0]].to_numpy(), part_of(path.name))


def _classes(folder: Path, size: Size, gray: bool) -> Iterator[Pictures]:
    """Give the images of `class/image.png`, or of `train/class/image.png` and others beside it."""
    below = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    parts = {p: part_of(p.name) for p in below}
    divided = all(parts.values()) and all(any(q.is_dir() for q in p.iterdir()) for p in below)
    for root, part in parts.items() if divided else [(folder, "")]:
        images: list[np.ndarray] = []
        labels: list[str] = []
        for place in sorted(p for p in root.iterdir() if p.is_dir()):
            for file in sorted(p for p in place.rglob("*") if p.suffix.lower() in SUFFIXES):
                where = str(file.relative_to(folder))
                images.append(_decoded(file.read_bytes(), size, gray, where))
                labels.append(place.name)
        if not images:
            raise DataError(f"{root}: no images in its folders; expected {', '.join(SUFFIXES)}")
        yield Pictures(_stacked(images, str(root)), np.array(labels), part)


def _decoded(content: bytes | None, size: Size, gray: bool, where: str) -> np.ndarray:
    """Return an encoded image as (height, width, channel) uint8."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content or b"")) as image:
            plain: Any = image.convert("L" if gray else "RGB")
            if size and plain.size != (size[1], size[0]):
                plain = plain.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise DataError(f"{where}: not an image that can be read ({error})") from None
    values = np.asarray(plain, np.uint8)
    return values if values.ndim == 3 else values[..., None]


def _stacked(images: list[np.ndarray], where: str) -> np.ndarray:
    shapes = sorted({i.shape for i in images})
    if len(shapes) > 1:
        shown = ", ".join("x".join(map(str, s[:2])) for s in shapes[:5])
        raise DataError(
            f"{where}: images of {len(shapes)} sizes ({shown} …); set ingest.options.size to the "
            "[height, width] that all are resized to"
        )
    return np.stack(images)
