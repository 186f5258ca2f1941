"""Labelled images as arrays, and the one file that they are kept in."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tasks.core.errors import DataError

FILE = "images.parquet"
NOTES = "temper.notes"  # in the file's metadata: what was left out, as JSON
PARTS = {
    "test": re.compile(r"(?<![a-z])(test(ing|set)?|t10k)(?![a-z])"),
    "val": re.compile(r"(?<![a-z])val(id(ation)?)?(?![a-z])"),
    "train": re.compile(r"(?<![a-z])(train(ing|set)?|data_batch)(?![a-z])"),
}
Label = int | str | None


@dataclass(frozen=True)
class Pictures:
    """Images of one shape, of one part of a set.

    images: (n, height, width, channel) uint8; labels: n class indices or names, None where there is
    none; part: `train`, `val`, `test`, or "" where the set does not say; form: the well-known set
    whose files alone look like this, else "".
    """

    images: np.ndarray
    labels: Sequence[Label]
    part: str = ""
    form: str = ""


def write(
    found: list[Pictures],
    folder: Path,
    classes: tuple[str, ...],
    limit: int | None,
    notes: Sequence[str] = (),
) -> None:
    """Write images.parquet: image, label (a class name) and, where there are several parts, split.

    Args:
        found: the images.
        folder: where the file goes.
        classes: the name of each class index.
        limit: how many of each part are taken, of each class by its share; None: all.
        notes: what the file's metadata says of how it was made.

    Raises:
        DataError: nothing was found, shapes differ, some have a part and others none, or a label is
            no class.
    """
    if not found:
        raise DataError("no images found")
    shapes = sorted({p.images.shape[1:] for p in found})
    if len(shapes) > 1:
        shown = ", ".join(map(str, shapes))
        raise DataError(
            f"images of several shapes: {shown}; with ingest.dataset: folder, ingest.options.size "
            "is the [height, width] that all are resized to, and gray: true makes one channel"
        )
    parts = sorted({p.part for p in found}, key=lambda part: (part != "train", part))
    if "" in parts and len(parts) > 1:
        raise DataError(
            f"some images are of the part {', '.join(filter(None, parts))}, others of none: name "
            "files or folders after their part (train, val, test) all or none"
        )
    frames = []
    for part in parts:
        images = np.concatenate([p.images for p in found if p.part == part])
        labels = [_name(label, classes) for p in found if p.part == part for label in p.labels]
        if limit and limit < len(labels):
            rows = _spread(labels, limit)
            images, labels = images[rows], [labels[row] for row in rows]
        columns = {
            "image": pl.Series(images, dtype=pl.Array(pl.UInt8, images.shape[1:])),
            "label": pl.Series(labels, dtype=pl.String),
        }
        if len(parts) > 1:
            columns["split"] = pl.Series([part] * len(images))
        frames.append(pl.DataFrame(columns))
    said = {NOTES: json.dumps(list(notes), ensure_ascii=False)} if notes else None
    pl.concat(frames).write_parquet(folder / FILE, statistics=False, metadata=said)


def notes_of(path: Path) -> list[str]:
    """Return what images.parquet says of how it was made."""
    return json.loads(pl.read_parquet_metadata(path).get(NOTES, "[]"))


def _spread(labels: list[str | None], limit: int) -> np.ndarray:
    """Return the positions of so many rows, of each class by its share, in their order."""
    order = np.argsort([label or "" for label in labels], kind="stable")
    return np.sort(order[np.arange(limit) * len(labels) // limit])


def _name(label: Label, classes: tuple[str, ...]) -> str | None:
    if label is None or not classes:
        return None if label is None else str(label)
    if isinstance(label, str) and label in classes:
        return label
    if isinstance(label, str) or not 0 <= label < len(classes):
        raise DataError(
            f"label {label}: expected 0 to {len(classes) - 1} ({', '.join(classes)}); for another "
            "set than this well-known one set ingest.dataset to folder"
        )
    return classes[label]


def labels_of(values: np.ndarray, where: str) -> list[Label]:
    """Return class indices or names from (n,), (n, 1) or, one-hot, (n, class) values.

    Raises:
        DataError: they are none.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2 and ((values == 0) | (values == 1)).all() and (values.sum(1) == 1).all():
        values = values.argmax(1)
    if values.dtype.kind == "f" and (values == np.floor(values)).all():
        values = values.astype(np.int64)
    if values.ndim != 1 or values.dtype.kind not in "biuU":
        raise DataError(
            f"{where}: expected labels as whole numbers or names (n,), or one-hot (n, class); "
            f"found {values.dtype} {values.shape} such as {values[:1].tolist()}"
        )
    return values.tolist()


def part_of(name: str) -> str:
    """Return which part a file or folder is, by the words of its name; "": it does not say."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    found = [part for part, word in PARTS.items() if word.search(words)]
    return found[0] if len(found) == 1 else ""
