"""The work as one lazy plan of Polars: what the engine `polars` computes, and cuDF's on a GPU."""

import polars as pl

from tasks.frames import windows
from tasks.frames.spec import Column, Work
from tasks.frames.survey import key_of
from tasks.frames.tables import shown, time_type


def features(rows: pl.LazyFrame, work: Work) -> pl.LazyFrame:
    """Return one row a sensor and step of the grid, from cleaned rows."""
    grid = windows.resample(
        rows, work.time, work.key, f"{work.grid_s}s", work.names, work.statistics
    )
    if work.windows or work.lags:
        grid = grid.with_columns(pl.col(f"{name}_mean").alias(name) for name in work.names)
        grid = windows.rolling(grid, work.key, work.names, work.windows, work.rolling)
        grid = windows.lags(grid, work.key, work.names, work.lags)
    return _finished(grid, work, work.features, work.statistics)


def daily(rows: pl.LazyFrame, work: Work) -> pl.LazyFrame:
    """Return one row a sensor and day that has rows, from cleaned rows."""
    days = windows.daily(rows, work.time, work.key, work.names, work.daily)
    return _finished(days, work, work.days, work.daily)


def read(frame: pl.LazyFrame, work: Work) -> pl.LazyFrame:
    """Return key, time and measured columns, typed; rows without key or time are left out."""
    time = pl.col(work.time)
    if work.time_format is not None:
        time = time.str.to_datetime(work.time_format, time_unit="us")
    keys = [key_of(frame, work.key)] if work.key else []
    return frame.select(
        *keys,
        time.cast(time_type(frame, work)),
        *(pl.col(column.name).cast(pl.Float64).fill_nan(None) for column in work.columns),
    ).drop_nulls([*([work.key] if work.key else []), work.time])


def clean(rows: pl.LazyFrame, work: Work) -> pl.LazyFrame:
    """Return the rows of `read` sorted by key and time, without later rows of the same time, in
    range, converted and with short gaps filled.
    """
    by = [*([work.key] if work.key else []), work.time]
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in by)
    first = pl.int_range(pl.len()) == 0
    rows = rows.sort(by, maintain_order=True).filter(first | ~same)
    filled = [
        _converted(c).forward_fill(work.fill_rows) if work.fill_rows and c.fill else _converted(c)
        for c in work.columns
    ]
    if work.key:
        filled = [values.over(work.key) for values in filled]
    return rows.select(*by, *filled)


def _converted(column: Column) -> pl.Expr:
    raw = pl.col(column.name)
    least = pl.lit(True) if column.low is None else raw >= column.low
    most = pl.lit(True) if column.high is None else raw <= column.high
    return ((pl.when(least & most).then(raw) + column.offset) * column.scale).alias(column.named)


def _finished(
    table: pl.LazyFrame, work: Work, names: list[str], statistics: tuple[str, ...]
) -> pl.LazyFrame:
    keys = [work.key] if work.key else []
    return table.select(*keys, work.time, *names).with_columns(shown(work, names, statistics))
