"""Labelled images as arrays, and the one file that they are kept in."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tasks.core.errors import DataError

FILE = "images.parquet"
COLUMNS = ("image", "label", "split")


@dataclass(frozen=True)
class Pictures:
    """Images of one shape, of one part of a set.

    images: (n, height, width, channel) uint8; labels: (n,) class indices or names; part: `train`,
    `val`, `test`, or "" where the set does not say.
    """

    images: np.ndarray
    labels: np.ndarray
    part: str = ""


def write(found: list[Pictures], folder: Path, classes: tuple[str, ...], limit: int | None) -> None:
    """Write images.parquet: image, label (a class name) and, where known, split.

    `classes`: the name of each class index; `limit`: how many of each part, the first ones.

    Raises:
        DataError: nothing was found, shapes differ, or an index has no class.
    """
    if not found:
        raise DataError("no images found")
    shapes = {p.images.shape[1:] for p in found}
    if len(shapes) > 1:
        raise DataError(f"images of several shapes: {', '.join(map(str, sorted(shapes)))}")
    frames = []
    for pictures in sorted(found, key=lambda p: (p.part == "", p.part != "train", p.part)):
        images, labels = pictures.images[:limit], pictures.labels[:limit]
        columns: dict[str, pl.Series] = {
            "image": pl.Series(images, dtype=pl.Array(pl.UInt8, images.shape[1:])),
            "label": pl.Series([_name(label, classes) for label in labels.tolist()]),
        }
        if pictures.part:
            columns["split"] = pl.Series([pictures.part] * len(images))
        frames.append(pl.DataFrame(columns))
    if len({tuple(f.columns) for f in frames}) > 1:
        frames = [f.select("image", "label") for f in frames]
    pl.concat(frames).write_parquet(folder / FILE, statistics=False)


def _name(label: int | str, classes: tuple[str, ...]) -> str:
    if isinstance(label, str):
        return label
    if not classes:
        return str(label)
    if not 0 <= label < len(classes):
        raise DataError(f"label {label}: expected 0 to {len(classes) - 1} ({', '.join(classes)})")
    return classes[label]


def part_of(name: str) -> str:
    """Return which part a file or folder is, by its name; "": it does not say."""
    lowered = name.lower()
    for part, marks in {
        "test": ("test", "t10k"),
        "val": ("val",),
        "train": ("train", "data_batch"),
    }.items():
        if any(mark in lowered for mark in marks):
            return part
    return ""
