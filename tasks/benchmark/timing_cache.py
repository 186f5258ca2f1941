"""TensorRT's timing caches: which kernels its builder found fastest, and how fast each was.

With it the next engine is built sooner, and of the same kernels. One file a GPU, driver and
TensorRT version, in `.temper/tensorrt`; one that is not as it was written counts as none.
"""

import hashlib
import re
from pathlib import Path

from tasks.core.home import subfolder
from tasks.core.temporary import write

DIGEST = 32  # bytes of SHA-256 before the cache


def file(gpu: str, driver: str, version: str) -> Path:
    """Return where the cache of a GPU, its driver and a TensorRT version is kept."""
    name = "_".join(re.sub(r"[^\w.]+", "-", part) for part in (gpu, driver, version))
    return subfolder("tensorrt") / f"{name}.timing"


def read(place: Path) -> bytes:
    """Return a kept cache; empty, which starts a new one, where there is none."""
    try:
        content = place.read_bytes()
    except FileNotFoundError:
        return b""
    cache = content[DIGEST:]
    return cache if content[:DIGEST] == hashlib.sha256(cache).digest() else b""


def keep(place: Path, cache: bytes) -> None:
    """Write a cache, whole or not at all."""
    write(place, hashlib.sha256(cache).digest() + cache)
