"""Images that lie as PNG, JPEG and others: in folders of classes, or in a column of Parquet."""

import io
import struct
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from tasks.core.counting import counted
from tasks.core.errors import DataError
from tasks.ingest.binary import collected, scan_of
from tasks.ingest.pictures.pictures import Label, Pictures, labels_of, part_of

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
LABELS = ("class_name", "label", "class", "fine_label", "target", "y")
SHOWN = 5  # of a list
MOST_GIB = 4  # of pixels: training needs four times as much
ORIENTATION, QUARTER_TURNS = 0x0112, (5, 6, 7, 8)  # EXIF's
BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error)  # what Pillow raises
Size = tuple[int, int] | None


class Encoded(NamedTuple):
    """One image before it is decoded. `open` gives its bytes, or its pixels as (h, w, c) uint8."""

    where: str
    open: Callable[[], bytes | np.ndarray | None]
    label: Label
    part: str


def parquet(path: Path) -> list[Encoded]:
    """Return the images of a Parquet file: one column of them, one of labels, perhaps `split`.

    Raises:
        DataError: it is damaged, or has no such columns.
    """
    frame = collected(scan_of(path, "parquet"), path.name)
    for name, dtype in frame.schema.items():  # Hugging Face keeps {bytes, path}
        if _packed(dtype):
            frame = frame.with_columns(pl.col(name).struct.field("bytes").alias(name))
    images = [n for n, dtype in frame.schema.items() if dtype == pl.Binary or _pixels(dtype)]
    labels = [n for n in LABELS if n in frame.columns and n not in images]
    if len(images) != 1 or not labels:
        raise DataError(
            f"{path.name}: expected one column of images (encoded as binary, or arrays of UInt8) "
            f"and one of {', '.join(LABELS)}; found {frame.schema}"
        )
    given = _labels(frame[labels[0]], f"{path.name}: column {labels[0]!r}")
    parts = [part_of(path.name)] * len(frame)
    if "split" in frame.columns:
        parts = [part_of(str(part)) for part in frame["split"]]
        if "" in parts:
            row = parts.index("") + 1
            raise DataError(
                f"{path.name}: column 'split': expected train, val or test, found "
                f"{frame['split'][row - 1]!r} (row {row})"
            )
    values = frame[images[0]]
    if values.null_count():
        row = values.is_null().arg_max() or 0
        rows = counted(values.null_count(), "row")
        raise DataError(f"{path.name}: {rows} without an image (the first: row {row + 1})")
    whole = values if values.dtype == pl.Binary else values.to_numpy()
    return [
        Encoded(f"{path.name}: row {row + 1}", partial(whole.__getitem__, row), label, part)
        for row, (label, part) in enumerate(zip(given, parts, strict=True))
    ]


def in_parquet(path: Path) -> bool:
    """Return whether a Parquet file has a column of encoded images beside one of labels."""
    try:
        schema = pl.read_parquet_schema(path)
    except pl.exceptions.PolarsError:
        return False  # read as a table, it says what is wrong
    return any(map(_bytes, schema.values())) and any(name in schema for name in LABELS)


def _bytes(dtype: pl.DataType) -> bool:
    return dtype == pl.Binary or _packed(dtype)


def _packed(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.Struct) and "bytes" in {f.name for f in dtype.fields}


def _pixels(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.Array) and len(dtype.shape) in (2, 3) and "UInt8" in str(dtype)


def _labels(values: pl.Series, where: str) -> list[Label]:
    """Return class indices or names; None where there is none."""
    if isinstance(values.dtype, pl.Categorical | pl.Enum):
        values = values.cast(pl.String)
    if values.dtype == pl.String:
        return values.to_list()
    if values.dtype.is_float():
        values = values.fill_nan(None)
    known = iter(labels_of(values.drop_nulls().to_numpy(), where))
    return [next(known) if there else None for there in values.is_not_null()]


def classes(folder: Path, notes: list[str]) -> list[Encoded]:
    """Return the images of `class/image.png`, or of `train/class/image.png` and others beside it.

    Hidden files and folders are passed over. What else is left out goes into `notes`.

    Raises:
        DataError: the folders are laid out in another way.
    """
    below = _folders(folder)
    parts = {p: part_of(p.name) for p in below}
    divided = [p for p in below if parts[p] and _folders(p)]
    if not divided and not all(parts.values()):
        return list(_of_part(folder, folder, "", notes))
    if others := [p.name for p in below if p not in divided]:
        raise DataError(
            f"{folder}: expected folders of classes, or train, val and test with folders of "
            f"classes in each; found {', '.join(others[:SHOWN])} without folders of classes, or "
            "without the name of a part; move them away"
        )
    return [each for root in divided for each in _of_part(folder, root, parts[root], notes)]


def _of_part(folder: Path, root: Path, part: str, notes: list[str]) -> Iterator[Encoded]:
    found, others, empty = Counter[str](), list[str](), list[str]()
    places = _folders(root)
    if len(places) == 1 and (inner := [p.name for p in _folders(places[0])]):
        raise DataError(
            f"{root}: one class only ({places[0].name!r}), expected two or more. If its folders "
            f"{', '.join(inner[:SHOWN])} are the classes or the parts, give {places[0]}"
        )
    for place in places:
        label = unicodedata.normalize("NFC", place.name)  # macOS takes é apart
        for file in _files(place):
            if file.suffix.lower() not in SUFFIXES:
                others.append(str(file.relative_to(folder)))
                continue
            found[label] += 1
            yield Encoded(str(file.relative_to(folder)), file.read_bytes, label, part)
        if not found[label]:
            empty.append(str(place.relative_to(folder)))
    if not found.total():
        raise DataError(f"{root}: no images in its folders; expected {', '.join(SUFFIXES)}")
    others += [p.name for p in root.iterdir() if p.is_file() and _visible(p)]
    files = ("file that is no image in a class", "files that are no images in a class")
    for words, names in ((files, others), (("empty class", "empty classes"), empty)):
        if names:
            shown = ", ".join(names[:SHOWN]) + " …" * (len(names) > SHOWN)
            notes.append(f"{counted(len(names), *words)} left out: {shown}")


def _visible(path: Path) -> bool:
    return not path.name.startswith((".", "__MACOSX"))


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and _visible(p))


def _files(root: Path) -> Iterator[Path]:
    """Give the files of a folder and of those in it, in order."""
    for path in sorted(p for p in root.iterdir() if _visible(p)):
        if path.is_dir():
            yield from _files(path)
        elif path.is_file():
            yield path


def decoded(images: list[Encoded], size: Size, gray: bool, where: str) -> list[Pictures]:
    """Return the images of each part as arrays.

    Raises:
        DataError: some cannot be read, they are of several sizes, or too large.
    """
    if size is None:
        _check(sizes(images), where)
    arrays: dict[str, tuple[list[np.ndarray], list[Label]]] = {}
    broken = []
    for image in images:
        try:
            pixels = _pixels_of(image.open(), size, gray)
        except BROKEN as error:
            broken.append(f"{image.where} ({' '.join(str(error).split()) or type(error).__name__})")
            continue
        values, labels = arrays.setdefault(image.part, ([], []))
        values.append(pixels)
        labels.append(image.label)
    if broken:
        shown = "; ".join(broken[:SHOWN]) + (" …" if len(broken) > SHOWN else "")
        raise DataError(
            f"{where}: {counted(len(broken), 'file is', 'files are')} not an image that can be "
            f"read: {shown}. Replace them, or take them away"
        )
    return [Pictures(np.stack(v), labels, part) for part, (v, labels) in arrays.items()]


def of_arrays(pictures: Pictures) -> list[Encoded]:
    """Return images that are arrays as such to decode, for another size or number of channels."""
    return [
        Encoded(f"image {row + 1}", partial(pictures.images.__getitem__, row), label, pictures.part)
        for row, label in enumerate(pictures.labels)
    ]


def sizes(images: list[Encoded]) -> Counter[tuple[int, int]]:
    """Return how many images have which (height, width), without decoding them."""
    found = Counter[tuple[int, int]]()
    for image in images:
        content = image.open()
        if isinstance(content, np.ndarray):
            found[content.shape[:2]] += 1
            continue
        try:
            opened = _opened(content)
            turned = opened.getexif().get(ORIENTATION) in QUARTER_TURNS
        except BROKEN:
            continue  # named when it is decoded
        width, height = opened.size
        found[(width, height) if turned else (height, width)] += 1
    return found


def _opened(content: bytes | None) -> Any:
    from PIL import Image, UnidentifiedImageError

    if not content:
        raise ValueError("empty")
    try:
        return Image.open(io.BytesIO(content))
    except UnidentifiedImageError:
        raise ValueError("of no known form") from None
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from None


def _check(found: Counter[tuple[int, int]], where: str) -> None:
    if len(found) > 1:
        shown = ", ".join(f"{h}x{w}" for h, w in sorted(found)[:SHOWN])
        (height, width), _ = found.most_common(1)[0]
        raise DataError(
            f"{where}: images of {len(found)} sizes ({shown} …); set ingest.options.size to the "
            f"[height, width] that all are resized to, such as [{height}, {width}]"
        )
    taken = sum(height * width * 3 * count for (height, width), count in found.items()) / 2**30
    if taken > MOST_GIB:
        (height, width) = next(iter(found))
        raise DataError(
            f"{where}: {found.total():,} images of {height}x{width} take {taken:.0f} GiB, expected "
            f"{MOST_GIB} at most; set ingest.options.size to a smaller [height, width]"
        )


def _pixels_of(content: bytes | np.ndarray | None, size: Size, gray: bool) -> np.ndarray:
    """Return an image as (height, width, channel) uint8.

    16 bits a pixel become 8 by their share of the whole range; it is turned as its EXIF entry says;
    transparent pixels are shown on white.
    """
    from PIL import Image, ImageOps

    if isinstance(content, np.ndarray):
        pixels = content if content.ndim == 3 else content[..., None]
        if (size in (None, pixels.shape[:2])) and not (gray and pixels.shape[2] > 1):
            return pixels
        if pixels.shape[2] not in (1, 3):
            raise ValueError(f"{pixels.shape[2]} channels, expected 1 or 3 to resize it")
        opened = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
        gray = gray or pixels.shape[2] == 1
    else:
        opened = ImageOps.exif_transpose(_opened(content))
    if opened.mode.startswith("I;16"):
        opened = Image.fromarray(np.round(np.asarray(opened) / 257).astype(np.uint8))
    elif opened.mode in ("I", "F"):
        raise ValueError("32 bits a pixel; save it with 8 or 16")
    elif opened.has_transparency_data:
        white = Image.new("RGBA", opened.size, "white")
        opened = Image.alpha_composite(white, opened.convert("RGBA"))
    plain = opened.convert("L" if gray else "RGB")
    if size and plain.size != (size[1], size[0]):
        plain = plain.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    values = np.asarray(plain, np.uint8)
    return values if values.ndim == 3 else values[..., None]
