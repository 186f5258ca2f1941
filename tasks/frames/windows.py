"""Lazy frames of time series: resampled, in rolling windows, lagged, by the day.

Every function takes and returns a lazy frame. `key` is the column that tells series apart (None:
the table is one series). Windows and lags count rows: on the regular grid that `resample` gives, a
window of k rows is a window of k periods.

A column's result is named `{column}_{statistic}`, `{column}_{window}_{statistic}`,
`{column}_lag{k}` or `{column}_diff{k}`. NaN counts as null; a result that has no value is null.
"""

import re
from collections.abc import Iterable, Mapping

import polars as pl

from tasks.core.errors import ParamsError

STATISTICS = ("mean", "min", "max", "std", "last", "count")
ROLLING = ("mean", "min", "max", "std", "slope")  # and quantiles: q05, q90
_QUANTILE = re.compile(r"q(\d{2})")
_ORDINAL = "__ordinal__"


def resample(
    frame: pl.LazyFrame,
    time: str,
    key: str | None,
    every: str,
    columns: Iterable[str],
    statistics: Iterable[str] = ("mean",),
    *,
    complete: bool = True,
) -> pl.LazyFrame:
    """Return one row a series and period, sorted by both: key, time and the statistics.

    The time is the period's begin; periods are counted from midnight of 1970-01-01.

    Args:
        frame: rows in any order; those without key or time do not count.
        time: the column of type Datetime.
        key: the series' column.
        every: Polars' words for a duration: `15m`, `1h`, `1d`.
        columns: the numeric columns.
        statistics: of STATISTICS. `std` divides by n - 1; `last` is the last that is not null.
        complete: periods without a row between a series' first and last are rows of nulls; else
            they are left out.

    Raises:
        ParamsError: a statistic is unknown.
    """
    names, wanted = list(columns), list(statistics)
    if strange := [s for s in wanted if s not in STATISTICS]:
        raise ParamsError(f"statistics: unknown {strange}. Known: {', '.join(STATISTICS)}.")
    by = [*([key] if key else []), time]
    rows = frame.drop_nulls(by).select(*by, *_floats(frame, names))
    if "last" in wanted:
        rows = rows.sort(time, maintain_order=True)
    rows = rows.with_columns(pl.col(time).dt.truncate(every))
    found = [_statistic(name, statistic) for name in names for statistic in wanted]
    binned = rows.group_by(by).agg(found)
    if not complete:
        return binned.sort(by)
    ends = [pl.col(time).min(), pl.col(time).max().alias("__end__")]
    spans = binned.group_by(key).agg(ends) if key else binned.select(ends)
    grid = spans.with_columns(pl.datetime_ranges(time, "__end__", every)).drop("__end__")
    grid = grid.explode(time, empty_as_null=False, keep_nulls=False)
    joined = grid.join(binned, on=by, how="left")
    counts = [f"{name}_count" for name in names if "count" in wanted]
    return joined.with_columns(pl.col(counts).fill_null(0)).sort(by)


def daily(
    frame: pl.LazyFrame,
    time: str,
    key: str | None,
    columns: Iterable[str],
    statistics: Iterable[str] = ("mean", "min", "max", "std"),
) -> pl.LazyFrame:
    """Return one row a series and day on which it has rows; days are those of the time column."""
    return resample(frame, time, key, "1d", columns, statistics, complete=False)


def rolling(
    frame: pl.LazyFrame,
    key: str | None,
    columns: Iterable[str],
    windows: Mapping[str, int],
    statistics: Iterable[str] = ("mean", "std", "q90"),
) -> pl.LazyFrame:
    """Return the frame with statistics of the last k rows, the row itself among them.

    Nulls in a window do not count; one value is enough, two for `std` and `slope`.

    Args:
        frame: sorted by key and time, on a regular grid.
        key: the series' column; a window never reaches into another series.
        columns: the numeric columns.
        windows: name of a window -> its rows: `{"1h": 4, "24h": 96}` on a grid of 15 minutes.
        statistics: of ROLLING, and quantiles by interpolation (`q05`, `q90`). `slope` is that of
            the least-squares line, a row.

    Raises:
        ParamsError: a statistic is unknown.
    """
    names = list(columns)
    added = [
        _over(_rolled(name, rows, statistic), key).alias(f"{name}_{window}_{statistic}")
        for window, rows in windows.items()
        for statistic in statistics
        for name in names
    ]
    frame = frame.with_columns(_floats(frame, names))
    if "slope" not in statistics:
        return frame.with_columns(added)
    ordinal = _over(pl.int_range(pl.len()), key).cast(pl.Float64).alias(_ORDINAL)
    return frame.with_columns(ordinal).with_columns(added).drop(_ORDINAL)


def lags(
    frame: pl.LazyFrame, key: str | None, columns: Iterable[str], steps: Iterable[int]
) -> pl.LazyFrame:
    """Return the frame, sorted by key and time, with the values of k rows before."""
    names = list(columns)
    return frame.with_columns(
        _over(pl.col(name).shift(k), key).alias(f"{name}_lag{k}") for k in steps for name in names
    )


def differences(
    frame: pl.LazyFrame, key: str | None, columns: Iterable[str], steps: Iterable[int]
) -> pl.LazyFrame:
    """Return the frame, sorted by key and time, with the change since k rows before."""
    names = list(columns)
    return frame.with_columns(
        _over(pl.col(name) - pl.col(name).shift(k), key).alias(f"{name}_diff{k}")
        for k in steps
        for name in names
    )


def quantile(statistic: str) -> float | None:
    """Return the share that a name like `q90` means; None where it is no quantile."""
    matched = _QUANTILE.fullmatch(statistic)
    return int(matched[1]) / 100 if matched else None


def _floats(frame: pl.LazyFrame, names: list[str]) -> list[pl.Expr]:
    schema = frame.collect_schema()
    kept = [name for name in names if schema[name].is_float()]
    other = [name for name in names if not schema[name].is_float()]
    return [pl.col(kept).fill_nan(None), pl.col(other).cast(pl.Float64)]


def _statistic(name: str, statistic: str) -> pl.Expr:
    values = pl.col(name)
    found = values.last(ignore_nulls=True) if statistic == "last" else getattr(values, statistic)()
    return found.alias(f"{name}_{statistic}")


def _rolled(name: str, rows: int, statistic: str) -> pl.Expr:
    values = pl.col(name)
    share = quantile(statistic)
    if share is not None:
        return values.rolling_quantile(share, "linear", window_size=rows, min_samples=1)
    if statistic == "slope":
        return _slope(values, rows)
    if statistic not in ROLLING:
        raise ParamsError(
            f"statistics: unknown {statistic!r}. Known: {', '.join(ROLLING)}, q01-q99."
        )
    least = 2 if statistic == "std" else 1
    return getattr(values, f"rolling_{statistic}")(window_size=rows, min_samples=least)


def _slope(values: pl.Expr, rows: int) -> pl.Expr:
    """Return (n Sxy - Sx Sy) / (n Sxx - Sx^2) over the values that are there, x their rows."""
    there = values.is_not_null()
    x = pl.when(there).then(pl.col(_ORDINAL))

    def total(terms: pl.Expr) -> pl.Expr:
        return terms.rolling_sum(window_size=rows, min_samples=1)

    n = total(there.cast(pl.Float64))
    above = n * total(x * values) - total(x) * total(values)
    below = n * total(x * x) - total(x) ** 2
    return pl.when(n >= 2).then(above / below)


def _over(values: pl.Expr, key: str | None) -> pl.Expr:
    return values.over(key) if key else values
