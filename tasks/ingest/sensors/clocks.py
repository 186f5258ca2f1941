"""One column of times of what a file has: parts (year, month …), a day and a clock, an epoch."""

from typing import Literal

import polars as pl

from tasks.core.errors import DataError
from tasks.ingest.reading import unknown_column

Epoch = Literal["s", "ms", "us", "ns"]
TIME = "time"
PARTS = ("year", "month", "day", "hour", "minute", "second")
FORM = "%Y-%m-%d %H:%M:%S%.6f"


def one(
    table: pl.LazyFrame, names: tuple[str, ...], epoch: Epoch | None, text: bool, notes: list[str]
) -> tuple[pl.LazyFrame, str]:
    """Return the table with one column of times, and its name.

    `text`: the columns hold what a text file says, and so does the new one; what is no time stays
    as it is written there, for the quarantine. In a file with types of its own it becomes null.

    Raises:
        DataError: a column is not there, or the columns together are no times.
    """
    schema = table.collect_schema()
    every = schema.names()
    for name in names:
        if name not in every:
            raise DataError(unknown_column("ingest.options.time", name, every[1:]))
    if len(names) == 1:
        target = names[0]
        if not epoch and (text or schema[target] != pl.String):
            return table, target
        made = table.select(target).collect().to_series()
        if epoch:
            made = _from_epoch(made, epoch, text)
            notes.append(f"{target}: {epoch} since 1970 turned to times (UTC)")
        else:
            made = _parsed(made, notes)
        rest = table.drop(target)  # else the texts are read again with any other column
        return rest.with_columns(made.alias(target)).select(every), target
    joined = _joined(table.select(names).collect())
    if joined.null_count() == len(joined):
        raise DataError(
            f"ingest.options.time: {', '.join(names)} are no times together; expected "
            f"{', '.join(PARTS[:4])} … in this order, or a day and a clock"
        )
    made = joined if text else _parsed(joined, notes)
    notes.append(f"{TIME}: made of {', '.join(names)}")
    if joined.null_count():
        notes.append(f"{TIME}: {joined.null_count()} rows have no such time: missing")
    rest = [name for name in every if name not in names]
    if TIME in rest:
        raise DataError(f"the file has a column {TIME!r} already, which {names} would become")
    at = every.index(names[0])
    return table.with_columns(made.alias(TIME)).select(*rest[:at], TIME, *rest[at:]), TIME


def _joined(parts: pl.DataFrame) -> pl.Series:
    """Return parts as text like 2016-01-31 08:00:00; null where one is missing or no whole number.

    Two columns that are no numbers are a day and a clock, written side by side.
    """
    floats = parts.select(pl.all().cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False))
    whole = pl.all().cast(pl.Int64, strict=False)
    numbers = floats.select(pl.when(pl.all() == pl.all().floor()).then(whole))
    if parts.width == 2 and numbers.to_series(0).null_count() == len(numbers):
        texts = parts.select(pl.all().cast(pl.String).str.strip_chars())
        return texts.select(pl.concat_str(pl.all(), separator=" ")).to_series()
    least = [0, 1, 1, 0, 0, 0]
    columns = [
        numbers.to_series(i) if i < parts.width else pl.repeat(least[i], len(parts), eager=True)
        for i in range(len(PARTS))
    ]
    texts = [
        column.cast(pl.String).str.zfill(4 if i == 0 else 2).alias(PARTS[i])
        for i, column in enumerate(columns)
    ]
    form = pl.format("{}-{}-{} {}:{}:{}", *(pl.col(name) for name in PARTS))
    return pl.DataFrame(texts).select(form.alias(TIME)).to_series()


def _from_epoch(values: pl.Series, epoch: Epoch, text: bool) -> pl.Series:
    scale = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 0.001}[epoch]
    if values.dtype.is_temporal():
        raise DataError(f"{values.name}: holds times already; leave ingest.options.epoch out")
    micro = (values.cast(pl.String).cast(pl.Float64, strict=False) * scale).round(0)
    if values.dtype.is_integer() and epoch != "ns":
        micro = values.cast(pl.Int64) * int(scale)
    moments = micro.cast(pl.Int64, strict=False).cast(pl.Datetime("us"))
    if not text:
        return moments
    written = moments.dt.strftime(FORM)
    return written.zip_with(written.is_not_null(), values)


def _parsed(values: pl.Series, notes: list[str]) -> pl.Series:
    """Return a typed file's texts as times; a text that is none is missing, and told.

    Raises:
        DataError: they are no times.
    """
    from tasks.ingest.moments import moments
    from tasks.ingest.options import ReadOptions

    found, why = moments(values, len(values) - values.null_count(), "datetime", ReadOptions())
    if found is None:
        raise DataError(
            f"{values.name}: expected times, found {values.drop_nulls().head(1).to_list()}"
            + (f" ({why})" if why else "")
        )
    lost = int((values.is_not_null() & found[0].is_null()).sum())
    if lost:
        notes.append(f"{values.name}: {lost} texts are no times: missing")
    return found[0]
