"""Rows of a sensor table put together by series and period: for resample, daily and nights."""

from dataclasses import dataclass
from typing import Literal

import polars as pl

from tasks.clean.series import by_time, groups, local_time
from tasks.core.quantities import is_temperature, of_difference
from tasks.core.schema import ROW, Column, Columns, by_role

Statistic = Literal["mean", "min", "max", "std", "median", "sum", "first", "last", "count"]
WITH_LIMITS = ("mean", "min", "max", "median", "first", "last")
CIRCLE = 360.0  # degrees


@dataclass(frozen=True)
class Binning:
    """How rows become periods.

    statistics: of each numeric column; one: it keeps its name, several: `<name>_<statistic>`.
    target: the statistic of a numeric target, which keeps its name.
    circular: columns of directions in degrees, whose mean is that of their unit vectors.
    expected: values that a full period has; None where that is not known.
    min_share: of the values expected (or of the rows that are there) for a statistic to count.
    """

    statistics: dict[str, list[Statistic]]
    target: Statistic = "mean"
    circular: tuple[str, ...] = ()
    expected: float | None = None
    min_share: float = 0.0


def binned(
    frame: pl.LazyFrame, columns: Columns, time: str, binning: Binning
) -> tuple[pl.LazyFrame, Columns]:
    """Return one row a series and period, in order, with new row numbers, and the columns.

    Text and booleans have the last value of the period; columns without a use, images and splits
    are left out. Float32 stays Float32, but sums.

    Args:
        frame: the time column holds the begin of each row's period already; rows in time's order.
        columns: of the frame.
        time: the time column.
        binning: what to compute.
    """
    schema, keys = frame.collect_schema(), groups(columns)
    made: Columns = {name: columns[name] for name in columns if name in (*keys, time)}
    made[time] = made[time].model_copy(update={"unique": False})
    found = []
    for name, column in columns.items():
        if column.role not in ("feature", "target") or schema[name].is_nested():
            continue
        if not schema[name].is_numeric():
            found.append(pl.col(name).drop_nulls().last().alias(name))
            made[name] = column
            continue
        target = column.role == "target"
        wanted = [binning.target] if target else binning.statistics.get(name, [])
        for statistic in wanted:
            out = name if len(wanted) == 1 else f"{name}_{statistic}"
            found.append(_statistic(name, statistic, schema[name], binning).alias(out))
            made[out] = described(column, statistic)
    rows = frame.group_by([*keys, time]).agg(found).sort([*keys, time])
    return numbered(rows), in_order_of(made, columns)


def with_records(
    made: tuple[pl.LazyFrame, Columns],
    frame: pl.LazyFrame,
    columns: Columns,
    time: str,
    names: list[str],
    zone: str,
) -> tuple[pl.LazyFrame, Columns]:
    """Return days or nights, and beside them columns of one value a day: its last.

    Args:
        made: the days, named by midnight of the clock on the wall, and their columns.
        frame, columns: the rows of both, in UTC.
        time: the time column.
        names: the columns of one value a day.
        zone: whose days.
    """
    if not names:
        return made
    keys = [*groups(columns), time]
    records = {n: c for n, c in columns.items() if n in (*keys, *names)}
    rows = by_time(frame.filter(pl.any_horizontal(pl.col(names).is_not_null())), time)
    last: dict[str, list[Statistic]] = {name: ["last"] for name in names}
    days, found = binned(
        rows.with_columns(day_of(time, columns, zone)), records, time, Binning(last, "last")
    )
    both = made[0].drop(ROW).join(days.drop(ROW), on=keys, how="full", coalesce=True)
    told = in_order_of(made[1] | found, columns)
    return numbered(both.sort(keys).select(n for n in told if n != ROW)), told


def day_of(time: str, columns: Columns, zone: str) -> pl.Expr:
    """Return the local day of a day's record.

    One of midnight sharp names its day, as wearables write it, and is of no time; but where times
    were made UTC by `time_zone`, midnight of UTC is a time as any other.
    """
    value = pl.col(time)
    day = local_time(value, zone).dt.truncate("1d")
    if columns[time].unit == "UTC":
        return day
    return pl.when(at_midnight(value)).then(value).otherwise(day)


def at_midnight(value: pl.Expr) -> pl.Expr:
    """Return whether times are midnight sharp."""
    return value == value.dt.truncate("1d")


def without_records(frame: pl.LazyFrame, columns: Columns, names: list[str]) -> pl.LazyFrame:
    """Return the rows that are more than a record of a day: they have a value of another column."""
    others = [
        name
        for name, column in columns.items()
        if column.role in ("feature", "target") and name not in names
    ]
    if not names:
        return frame
    alone = pl.all_horizontal(pl.lit(True), *(pl.col(name).is_null() for name in others))
    return frame.filter(~(alone & pl.any_horizontal(pl.col(names).is_not_null())))


def complete(frame: pl.LazyFrame, columns: Columns, time: str, every: str) -> pl.LazyFrame:
    """Return periods in order, those without rows between a series' first and last among them."""
    keys = groups(columns)
    ends = [pl.col(time).min(), pl.col(time).max().alias("__end__")]
    spans = frame.group_by(keys).agg(ends) if keys else frame.select(ends).drop_nulls()
    grid = spans.with_columns(pl.datetime_ranges(time, "__end__", every)).drop("__end__")
    grid = grid.explode(time, empty_as_null=False, keep_nulls=False)
    rows = grid.join(frame.drop(ROW), on=[*keys, time], how="left", nulls_equal=True)
    names = frame.collect_schema().names()
    return numbered(rows.sort([*keys, time]).select(n for n in names if n != ROW))


def numbered(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Return new rows with numbers of their own, from 1."""
    names = [name for name in frame.collect_schema().names() if name != ROW]
    number = pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias(ROW)
    return frame.select(number, *names)


def in_order_of(made: Columns, columns: Columns) -> Columns:
    """Return the columns with groups and time first, as the table has them."""
    keys = [*groups(columns), *by_role(columns, "time")]
    return {n: made[n] for n in (*keys, *(n for n in made if n not in keys)) if n in made}


def _statistic(name: str, statistic: str, dtype: pl.DataType, binning: Binning) -> pl.Expr:
    values = pl.col(name)
    there = values.count()
    if statistic == "count":
        return there
    if statistic in ("first", "last"):
        found = getattr(values.drop_nulls(), statistic)()
    elif name in binning.circular and statistic == "mean":
        found = mean_direction(values)
    else:
        found = getattr(values.cast(pl.Float64), statistic)()
    least = binning.min_share * (
        pl.len()
        if binning.expected is None
        else pl.max_horizontal(pl.len(), pl.lit(binning.expected))
    )
    found = pl.when((there > 0) & (there >= least)).then(found)
    return found.cast(pl.Float32) if dtype == pl.Float32 and statistic != "sum" else found


def mean_direction(values: pl.Expr) -> pl.Expr:
    """Return the direction, in degrees, of the mean of directions' unit vectors."""
    angle = values.cast(pl.Float64).radians()
    return pl.arctan2(angle.sin().mean(), angle.cos().mean()).degrees() % CIRCLE


def described(column: Column, statistic: str) -> Column:
    """Return what is known of a column's statistic."""
    limits = {} if statistic in WITH_LIMITS else {"min": None, "max": None}
    kind = "integer" if statistic == "count" else "float"
    if statistic in ("first", "last", "min", "max") and column.type == "integer":
        kind = "float" if statistic in ("min", "max") else "integer"
    unit = column.unit
    if statistic == "std":
        unit = of_difference(unit)
    elif statistic == "count" or (statistic == "sum" and is_temperature(unit)):
        unit = None
    same = {"nullable": True, "unique": False, "values": None}
    return column.model_copy(update={"type": kind, "unit": unit, **same, **limits})
