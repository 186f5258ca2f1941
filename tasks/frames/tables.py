"""What comes of the work: two tables, of the same columns and types whichever engine made them."""

from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from tasks.frames.spec import Work


class Tables(NamedTuple):
    """A row a sensor and step of the grid; a row a sensor and day that has rows (or None).

    rows: how many rows they were made of, repeats left out.
    """

    features: pl.DataFrame
    daily: pl.DataFrame | None
    rows: int


def time_type(frame: pl.LazyFrame, work: Work) -> pl.DataType:
    """Return the type of the results' times: microseconds, in the time zone of the table's."""
    kind = frame.collect_schema()[work.time]
    return pl.Datetime("us", kind.time_zone if isinstance(kind, pl.Datetime) else None)


def shown(work: Work, names: list[str], statistics: Iterable[str]) -> list[pl.Expr]:
    """Return the columns as they are written: of the work's precision."""
    counts = {f"{name}_count" for name in work.names if "count" in statistics}
    kind = pl.Float32 if work.precision == "float32" else pl.Float64
    numbers = [n for n in names if n not in counts]
    return [
        pl.col(numbers).cast(kind),
        pl.col([n for n in names if n in counts]).fill_null(0).cast(pl.UInt32),
    ]
