"""Runs lazy frames on a device, and writes tables so that equal tables are equal bytes."""

import importlib.util
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

import polars as pl

from tasks.core import extras
from tasks.core.errors import EngineUnavailable, ParamsError
from tasks.core.plugins import unknown

Compression = Literal["zstd", "snappy", "lz4", "uncompressed"]
_cluster: ContextVar[Any] = ContextVar("cluster", default=None)  # an engine for several GPUs
# Polars takes sums for the same in any order of rows, and leaves sorts out before them.
ROWS_IN_ORDER = pl.QueryOptFlags(check_order_observe=False)
ROW_GROUP = 2**17  # rows; fixed, or the bytes would depend on how the engine chunked the frame


def collect(
    frame: pl.LazyFrame, device: str = "cpu", demanded: bool = False, streaming: bool = True
) -> pl.DataFrame:
    """Return what a lazy frame computes: Polars' streaming engine, or cuDF's on `cuda`.

    Args:
        frame: the query.
        device: `cpu` or `cuda`.
        demanded: the GPU or nothing; otherwise what cuDF cannot do runs on the CPU.
        streaming: on the CPU. Without, sums of groups are added up in the order of the rows, which
            no optimisation changes, so that their last bit is the same each time.

    Raises:
        EngineUnavailable: the GPU was demanded and cuDF is not installed.
    """
    if device == "cuda" and (reason := unavailable()):
        if demanded:
            raise EngineUnavailable(reason)
        logging.getLogger(__name__).warning("%s Tables are worked on by the CPU.", reason)
    elif device == "cuda":
        return frame.collect(engine=_cluster.get() or pl.GPUEngine(raise_on_fail=demanded))
    if streaming:
        return frame.collect(engine="streaming")
    return frame.collect(engine="in-memory", optimizations=ROWS_IN_ORDER)


def unavailable(several: bool = False) -> str | None:
    """Return None where cuDF's engine for Polars is installed, else what to do about it.

    `several`: the engine for several GPUs, which needs Ray.
    """
    if not importlib.util.find_spec("cudf_polars"):
        return f"cudf-polars is not installed: {extras.install('gpu')}."
    if several and not importlib.util.find_spec("ray"):
        return f"Ray is not installed: {extras.install('ray')}."
    return None


@contextmanager
def on_all_gpus() -> Iterator[None]:
    """Let `collect` on `cuda` use cuDF's engine on Ray in the block: every GPU of the machine, or
    of the Ray cluster that this process is connected to. What it cannot do is an error.
    """
    from cudf_polars.engine.ray import RayEngine  # pyright: ignore[reportMissingImports]

    with RayEngine(engine_options={"raise_on_fail": True}) as engine:
        before = _cluster.set(engine)
        try:
            yield
        finally:
            _cluster.reset(before)


def write(frame: pl.DataFrame, path: Path, compression: Compression = "zstd") -> None:
    """Write a Parquet file whose bytes depend on the table alone."""
    frame.rechunk().write_parquet(
        path, compression=compression, statistics=True, row_group_size=ROW_GROUP
    )


def sink(frame: pl.LazyFrame, path: Path) -> None:
    """Write what a lazy frame gives, in its order, as it comes: never the whole table in memory."""
    frame.sink_parquet(path, compression="zstd", statistics=True, row_group_size=ROW_GROUP)


def require_columns(where: str, asked: Iterable[str], known: Iterable[str]) -> None:
    """Check that params name columns that the table has.

    Raises:
        ParamsError: some are unknown; the message lists them all, each with the nearest.
    """
    names = list(known)
    problems = [unknown(f"column {name!r}", name, names) for name in asked if name not in names]
    if problems:
        raise ParamsError("\n".join(f"{where}: {problem}" for problem in problems))
