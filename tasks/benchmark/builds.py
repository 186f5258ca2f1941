"""What TensorRT's builder leaves, kept for the next time: timing caches, and engines.

A timing cache says which kernels were found fastest, and how fast each was: with it the next engine
is built sooner, and of the same kernels. An engine is good for its GPU, driver, TensorRT version,
graph and builder's parameters alone: its name has them all. Both lie in `.temper/tensorrt`; a file
that is not as it was written counts as none.
"""

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path

from tasks.core.home import subfolder
from tasks.core.temporary import write

DIGEST = 32  # bytes of SHA-256 before the content
ENGINES = 64  # kept at most, those that were used last


def timing(gpu: str, driver: str, version: str) -> Path:
    """Return where the timing cache of a GPU, its driver and a TensorRT version is kept."""
    return subfolder("tensorrt") / f"{_name(gpu, driver, version)}.timing"


def engine(gpu: str, driver: str, version: str, graph: bytes, params: str) -> Path:
    """Return where the engine of a graph is kept; params: the builder's, as text."""
    digest = hashlib.sha256(hashlib.sha256(graph).digest() + params.encode()).hexdigest()
    return subfolder("tensorrt") / f"{_name(gpu, driver, version)}_{digest[:32]}.engine"


def read(place: Path) -> bytes:
    """Return what was kept; empty, where there is nothing."""
    try:
        content = place.read_bytes()
    except FileNotFoundError:
        return b""
    kept = content[DIGEST:]
    if content[:DIGEST] != hashlib.sha256(kept).digest():
        return b""
    with suppress(FileNotFoundError):
        os.utime(place)
    return kept


def keep(place: Path, content: bytes) -> None:
    """Write a file, whole or not at all; engines that were not used for longest make room."""
    write(place, hashlib.sha256(content).digest() + content)
    with suppress(FileNotFoundError):  # another process makes room too
        engines = sorted(place.parent.glob("*.engine"), key=lambda p: p.stat().st_mtime)
        for old in engines[:-ENGINES]:
            old.unlink()


def _name(gpu: str, driver: str, version: str) -> str:
    return "_".join(re.sub(r"[^\w.]+", "-", part) for part in (gpu, driver, version))
