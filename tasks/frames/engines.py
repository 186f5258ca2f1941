"""Chooses the engine that does the work.

`numba`: compiled kernels on the CPU. `polars`: the lazy plan on the CPU. `cudf`: the lazy plan on a
GPU; a step (clean, features, daily) that cuDF cannot do is done by Polars, unless the GPU was
demanded. `cudf_ray`: the same on several GPUs, by cuDF's engine on Ray.
"""

import logging
import os
from typing import Any, Literal, Protocol

import polars as pl

from tasks.core import devices, frames
from tasks.core.errors import EngineUnavailable
from tasks.frames import compiled, fused, planned
from tasks.frames.spec import Work
from tasks.frames.tables import Tables

MANY_ROWS = 2_000_000  # fewer are done sooner by Polars: loading the kernels takes half a second
Name = Literal["auto", "numba", "polars", "cudf", "cudf_ray"]


class Engine(Protocol):
    """A table and the work on it. Sensors are known by number, from `begin` to before `end`."""

    name: str

    @property
    def sizes(self) -> list[int]:
        """Return the bytes that each sensor's rows take once they are loaded."""
        ...

    @property
    def weights(self) -> list[int]:
        """Return the bytes that decide how many sensors a part has."""
        ...

    def load(self, begin: int, end: int) -> Any:
        """Return the rows of some sensors: one pass over the table."""
        ...

    def compute(self, rows: Any, begin: int, end: int) -> tuple[Tables, str]:
        """Return the tables of some of those sensors, and what made them; uses up their rows."""
        ...


def choose(name: Name, frame: pl.LazyFrame, work: Work, device: str, demanded: bool) -> Engine:
    """Return the engine for a table and work.

    Args:
        name: `auto` is `cudf` where the device is `cuda` (`cudf_ray` where there are several, and
            Ray), else `numba` for tables of MANY_ROWS where it can do the work, else `polars`.
        device: `cpu` or `cuda`, for `auto`.
        demanded: the GPU or nothing.

    Raises:
        EngineUnavailable: the engine is not here, or cannot do this work.
    """
    if name == "auto":
        name = _automatic(frame, work, device, demanded)
    elif name == "numba" and (reason := unfit(frame, work)):
        raise EngineUnavailable(f"engine numba: {reason}")
    elif name in ("cudf", "cudf_ray") and (reason := frames.unavailable(name == "cudf_ray")):
        raise EngineUnavailable(f"engine {name}: {reason}")
    threads = len(os.sched_getaffinity(0))
    if name == "numba":
        return fused.Engine(frame, work, threads)
    return planned.Engine(frame, work, threads, name, demanded)


def unfit(frame: pl.LazyFrame, work: Work) -> str | None:
    """Return None where the kernels can do the work, else why not and what to do."""
    if reason := compiled.unavailable():
        return reason
    kind = frame.collect_schema().get(work.time)
    if isinstance(kind, pl.Datetime) and kind.time_zone not in (None, "UTC"):
        return f"{work.time} is in {kind.time_zone}, whose days are no multiple of 24 hours."
    return None


def _automatic(frame: pl.LazyFrame, work: Work, device: str, demanded: bool) -> Name:
    if device == "cuda":
        reason = frames.unavailable()
        if reason is None:
            several = len(devices.gpus()) > 1 and frames.unavailable(several=True) is None
            return "cudf_ray" if several else "cudf"
        if demanded:
            raise EngineUnavailable(reason)
        logging.getLogger(__name__).warning("%s Tables are worked on by the CPU.", reason)
    few = frame.select(pl.len()).collect().item() < MANY_ROWS
    return "polars" if few or unfit(frame, work) else "numba"
