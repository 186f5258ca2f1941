"""Gives numeric features the smallest type that keeps them: Float32, and the smallest integer type.

A column becomes Float32 if every value stays within `tolerance` of itself (else it is out of
float32's range) and within `tolerance` x the column's spread (max - min). The second is what keeps
times, ids and coordinates with a large offset: 1.7e9 seconds are off by 64 in float32. Target,
time, group and split stay as they are. Exported graphs take float32 for Float32 and small integers,
float64 for the rest.
"""

from typing import Any

import polars as pl
from pydantic import Field

from tasks.core.plugins import PluginParams
from tasks.core.schema import Columns

FLOAT32_MAX, FLOAT32_LEAST = 3.4e38, 1.18e-38
ROUNDING = 2**-24  # of a float32, relative
SIGNED = (pl.Int8, pl.Int16, pl.Int32)


class Params(PluginParams):
    """`tolerance`: the largest rounding, relative to the value and to the column's spread."""

    floats: bool = True
    integers: bool = True
    tolerance: float = Field(default=1e-6, ge=0, le=1e-3)


def looks(params: Params) -> bool:
    """Return whether values decide a type."""
    return params.floats or params.integers


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with smaller numeric types."""
    schema = frame.collect_schema()
    features = [name for name, column in columns.items() if column.role == "feature"]
    floats = [n for n in features if params.floats and schema[n] == pl.Float64]
    integers = [n for n in features if params.integers and schema[n].is_integer()]
    if not floats and not integers:
        return frame, columns
    # not streaming, which takes 8 s and 1 GB for a thousand columns: 0.3 s this way
    facts = frame.select(
        pl.col(floats + integers).min().name.prefix("min "),
        pl.col(floats + integers).max().name.prefix("max "),
        *(_error(name).alias(f"error {name}") for name in floats),
        *(_least(name).alias(f"least {name}") for name in floats),
    )
    numbers = facts.collect().row(0, named=True)
    casts: dict[str, type[pl.DataType]] = {}
    for name in floats:
        if _keeps(name, numbers, params.tolerance):
            casts[name] = pl.Float32
    for name in integers:
        smaller = _smallest(numbers[f"min {name}"], numbers[f"max {name}"])
        if smaller is not None and smaller != schema[name]:
            casts[name] = smaller
    return frame.with_columns(pl.col(n).cast(t) for n, t in casts.items()), columns


def _error(name: str) -> pl.Expr:
    value = pl.col(name)
    return (value - value.cast(pl.Float32).cast(pl.Float64)).abs().max()


def _least(name: str) -> pl.Expr:
    size = pl.col(name).abs()
    return size.filter(size > 0).min()


def _keeps(name: str, numbers: dict[str, Any], tolerance: float) -> bool:
    """Return whether float32 keeps a column: rounded within the tolerance, and in its normal range.

    In that range a float32 is within 6e-8 of the value itself.
    """
    low, high, error = (numbers[f"{what} {name}"] for what in ("min", "max", "error"))
    if low is None:  # no values
        return True
    if error == 0:
        return True
    in_range = max(-low, high) < FLOAT32_MAX and numbers[f"least {name}"] >= FLOAT32_LEAST
    return in_range and tolerance >= ROUNDING and error <= tolerance * (high - low)


def _smallest(low: int | None, high: int | None) -> type[pl.DataType] | None:
    if low is None or high is None:
        return None
    for bits, dtype in zip((8, 16, 32), SIGNED, strict=True):
        if -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1):
            return dtype
    return None
