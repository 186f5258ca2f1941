"""What `temper new` writes for labelled images: a short section, with its reasons."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tasks.core.schema import Table
from tasks.ingest.datasets import folder
from tasks.ingest.pictures import encoded, formats
from tasks.ingest.section import comment

LARGEST = 64  # pixels of a side; training reads all images at once
SMALLEST = 8  # the networks take no less
MANY = 4096  # pixels times channels: behind that a linear model is slow and learns little
SHOWN = 12  # classes


class Images(NamedTuple):
    """A section for images, and what is said of it."""

    section: str
    reasons: list[str]


def propose(source: Path, name: str, called: str) -> Images:
    """Return a section for images, verified by reading them with it.

    Args:
        source: the images, in a form that the dataset `folder` reads.
        name: of the workload.
        called: what the user calls the place.

    Raises:
        DataError: there are no images that can be used as they are.
    """
    size, why_size = _size(formats.look(source))
    params = folder.Params(size=size)
    table = Table(task="classification", target="label")
    with tempfile.TemporaryDirectory() as place:
        folder.fetch(params, source, Path(place))
        reading = folder.read(Path(place), params, table)
    frame = reading.frame
    pixels = frame["image"].to_numpy()
    gray = pixels.shape[3] == 3 and bool((pixels == pixels[..., :1]).all())
    shape = (*pixels.shape[1:3], 1 if gray else pixels.shape[3])
    counts = frame["label"].drop_nulls().value_counts(sort=True)
    shown = ", ".join(f"{label} {count}" for label, count in counts.head(SHOWN).iter_rows())
    classes = f"{len(counts)} classes: {shown}" + " …" * (len(counts) > SHOWN)
    height, width, channels = shape
    what = f"{len(frame)} images of {height}x{width}x{channels}"
    models = ["baseline", *(["linear"] if np.prod(shape) <= MANY else []), "convnet"]
    options = [f"size: [{height}, {width}]"] * (size is not None) + ["gray: true"] * gray
    given = f", options: {{{', '.join(options)}}}" if options else ""
    why = [why_size] * (size is not None) + ["all are grey"] * gray
    note = "; ".join([*why, f"from data/raw/{name}"])
    lines = [
        f"  # {comment(f'{called}: {what}')}",
        f"  # {comment(classes)}",
        f"  {name}:",
        "    table: {task: classification, target: label}",
        f"    ingest: {{dataset: folder{given}}}   # {note}",
        f"    train: {{models: {{{', '.join(f'{model}: {{}}' for model in models)}}}}}",
    ]
    parts = "as the folders or files say it" if "split" in frame.columns else "each class by share"
    reasons = [what, classes, f"parts: {parts}", f"models {', '.join(models)}"]
    reasons += [f"{option}: {reason}" for option, reason in zip(options, why, strict=True)]
    return Images(
        "\n".join(lines) + "\n", reasons + [f"reading: {n}" for n in reading.source["notes"]]
    )


def _size(found: formats.Found) -> tuple[tuple[int, int] | None, str]:
    """Return what all images are resized to, with the reason; None: they stay as they are."""
    sizes = encoded.sizes(found.encoded)
    for each in found.arrays:
        sizes += Counter({each.images.shape[1:3]: len(each.images)})
    if not sizes:
        return None, ""  # reading says why
    sides = np.array(list(sizes.elements()))
    if len(sizes) == 1 and sides.max() <= LARGEST and sides.min() >= SMALLEST:
        return None, ""
    middle = np.median(sides, axis=0)
    height, width = np.maximum(SMALLEST, np.round(middle * min(1, LARGEST / middle.max())))
    low, high = sides.min(0), sides.max(0)
    of = f"of {len(sizes)} sizes, {low[0]}x{low[1]} to" if len(sizes) > 1 else "all of"
    return (int(height), int(width)), f"{of} {high[0]}x{high[1]} pixels"
