"""Parquet and Arrow files to a frame of Temper's few types; their own types are kept to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core.errors import DataError
from tasks.core.schema import Type
from tasks.ingest.conversion import Typed, category_or_text, typed
from tasks.ingest.options import ReadOptions


def scan_of(path: Path, kind: str) -> pl.LazyFrame:
    """Return the table of a Parquet or Arrow file as it is.

    Raises:
        DataError: the file is cut off or damaged, or has no rows or columns.
    """
    with _sound(path.name):
        if kind == "parquet":
            table = pl.scan_parquet(path, glob=False)
        else:
            with open(path, "rb") as stream:
                head = stream.read(6)
            table = pl.scan_ipc(path) if head == b"ARROW1" else pl.read_ipc_stream(path).lazy()
        width, rows = len(table.collect_schema()), table.select(pl.len()).collect().item()
    if not width:
        raise DataError(f"{path.name}: no columns")
    if not rows:
        raise DataError(f"{path.name}: {width} columns and no rows, expected rows of data")
    return table


def collected(table: pl.LazyFrame, name: str) -> pl.DataFrame:
    """Return what is read of a file.

    Raises:
        DataError: the file, called `name` in the message, is damaged.
    """
    with _sound(name):
        return table.collect()


@contextmanager
def _sound(name: str) -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException) as error:
        reason = str(error).splitlines()[0][:120]
        raise DataError(
            f"{name}: begins like Parquet or Arrow and cannot be read as such "
            f"({reason}): cut off or damaged; get it again"
        ) from None


def settle(values: pl.Series, wanted: Type | None, options: ReadOptions) -> Typed | str:
    """Return a typed column as one of Temper's types, or in words why it cannot be.

    Numbers become Int64 or Float64, dates Datetime in microseconds (UTC where they had a zone), NaN
    becomes null. Text is read as numbers or dates only where `wanted` says so.
    """
    name, dtype = values.name, values.dtype
    if dtype == pl.Null:
        values, dtype = values.cast(pl.String), pl.String()
    if isinstance(dtype, pl.Categorical | pl.Enum):
        values, dtype = values.cast(pl.String), pl.String()
    if dtype == pl.String:
        if wanted in (None, "category", "text"):
            kind = wanted or category_or_text(values)
            note = "all missing" if values.null_count() == len(values) else None
            return _kept(values, kind, note=note)
        return typed(values, wanted, options, comma_file=False, label=False)
    if isinstance(dtype, pl.Array) and _leaf(dtype) == pl.UInt8 and len(dtype.shape) in (2, 3):
        if wanted not in (None, "image"):
            return f"holds images, not {wanted}"
        if len(dtype.shape) == 2:
            values = pl.Series(
                name, values.to_numpy()[..., None], dtype=pl.Array(pl.UInt8, (*dtype.shape, 1))
            )
        return _kept(values, "image")
    if dtype.is_temporal():
        return _temporal(values, wanted)
    if dtype == pl.Boolean:
        return _changed(values, "boolean", wanted)
    if dtype.is_integer():
        if values.cast(pl.Int64, strict=False).null_count() > values.null_count():
            return _kept(
                values.cast(pl.String), "text", note="whole numbers too large for 64 bits: text"
            )
        return _changed(values.cast(pl.Int64), "integer", wanted)
    if dtype.is_float() or dtype.is_decimal():
        floats = values.cast(pl.Float64)
        not_numbers = int(floats.is_nan().sum())
        found = _changed(floats.fill_nan(None), "float", wanted)
        if isinstance(found, str):
            return found
        return found._replace(
            missing={"NaN": not_numbers} if not_numbers else {},
            taken_for=f"{dtype} as float" if dtype.is_decimal() else found.taken_for,
        )
    return f"is of type {dtype}, which has no use as a column"


def _kept(values: pl.Series, kind: Type, **more: Any) -> Typed:
    return Typed(values, kind, {}, pl.repeat(False, len(values), eager=True), **more)


def _leaf(dtype: pl.DataType) -> pl.DataType:
    while isinstance(dtype, pl.Array):
        dtype = pl.Series(dtype=dtype.inner).dtype  # `inner` may be a class, this is an instance
    return dtype


def _temporal(values: pl.Series, wanted: Type | None) -> Typed | str:
    dtype = values.dtype
    if dtype == pl.Duration:
        return _changed(values.dt.total_microseconds() / 1e6, "float", wanted)
    if dtype == pl.Time:
        return _kept(values.cast(pl.String), wanted or "text", note="times of day without a date")
    if wanted not in (None, "datetime"):
        return f"holds dates, not {wanted}"
    taken_for = None
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone:
            values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
            taken_for = f"{dtype.time_zone}, turned to UTC"
        if dtype.time_unit == "ns" and (values.dt.nanosecond() % 1000 != 0).any():
            taken_for = (taken_for or "") + " nanoseconds cut to microseconds"
    return _kept(values.cast(pl.Datetime("us")), "datetime", taken_for=taken_for)


def _changed(values: pl.Series, kind: Type, wanted: Type | None) -> Typed | str:
    """Return numbers or booleans as the wanted type; those that cannot be so count as unparsed."""
    if wanted is None or wanted == kind:
        return _kept(values, kind)
    if wanted in ("category", "text"):
        return _kept(values.cast(pl.String), wanted)
    if wanted == "float":
        return _kept(values.cast(pl.Float64), "float")
    if wanted == "integer":
        found = values.cast(pl.Int64, strict=False)
        same = found.cast(values.dtype) == values
        found = pl.select(pl.when(same).then(found).alias(values.name)).to_series()
    elif wanted == "boolean":
        found = pl.select(
            pl.when(values == 1).then(True).when(values == 0).then(False).alias(values.name)
        ).to_series()
    else:
        return f"holds numbers, not {wanted}"
    return Typed(found, wanted, {}, values.is_not_null() & found.is_null())
