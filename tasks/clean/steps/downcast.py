"""Gives numeric features the smallest type that keeps them: Float32, and the smallest integer type.

A column becomes Float32 if every value stays within `tolerance` of itself (else it is out of
float32's range) and within `tolerance` x the column's spread (max - min). The second is what keeps
times, ids and coordinates with a large offset: 1.7e9 seconds are off by 64 in float32. Target,
time, group and split stay as they are. Exported graphs take float32 for Float32 and small integers,
float64 for the rest.
"""

import polars as pl
from pydantic import Field

from tasks.core import frames
from tasks.core.plugins import PluginParams
from tasks.core.schema import Columns

SIGNED = (pl.Int8, pl.Int16, pl.Int32)


class Params(PluginParams):
    """`tolerance`: the largest rounding, relative to the value and to the column's spread."""

    floats: bool = True
    integers: bool = True
    tolerance: float = Field(1e-6, ge=0, le=1e-3)


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with smaller numeric types."""
    schema = frame.collect_schema()
    features = [name for name, column in columns.items() if column.role == "feature"]
    floats = [n for n in features if params.floats and schema[n] == pl.Float64]
    integers = [n for n in features if params.integers and schema[n].is_integer()]
    if not floats and not integers:
        return frame, columns
    numbers = frames.collect(
        frame.select(
            *(_keeps(name, params.tolerance).alias(f"keeps {name}") for name in floats),
            *(pl.col(name).min().alias(f"min {name}") for name in integers),
            *(pl.col(name).max().alias(f"max {name}") for name in integers),
        )
    ).row(0, named=True)
    casts: dict[str, type[pl.DataType]] = {n: pl.Float32 for n in floats if numbers[f"keeps {n}"]}
    for name in integers:
        smaller = _smallest(numbers[f"min {name}"], numbers[f"max {name}"])
        if smaller is not None and smaller != schema[name]:
            casts[name] = smaller
    return frame.with_columns(pl.col(n).cast(t) for n, t in casts.items()), columns


def _keeps(name: str, tolerance: float) -> pl.Expr:
    value = pl.col(name).fill_nan(None)
    error = (value - value.cast(pl.Float32).cast(pl.Float64)).abs()
    spread = value.max() - value.min()
    return ((error <= tolerance * value.abs()) & (error <= tolerance * spread)).all()


def _smallest(low: int | None, high: int | None) -> type[pl.DataType] | None:
    if low is None or high is None:
        return None
    for bits, dtype in zip((8, 16, 32), SIGNED, strict=True):
        if -(2 ** (bits - 1)) <= low and high < 2 ** (bits - 1):
            return dtype
    return None
