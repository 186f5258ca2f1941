"""Long tables (a column of names, a column of values) to wide ones; several files to one."""

import polars as pl

from tasks.core.errors import DataError
from tasks.core.schema import ROW
from tasks.ingest.raw import Raw, numbered
from tasks.ingest.reading import unknown_column
from tasks.ingest.sensors import mixed

NTH = "__nth__"


def stacked(raws: dict[str, Raw], sensor: str | None) -> Raw:
    """Return several files below each other, their rows numbered through.

    `sensor`: the name of a new column with the file's name without its endings.

    Raises:
        DataError: some are text and some are not, or they have no column in common.
    """
    kinds = {raw.text for raw in raws.values()}
    if len(kinds) > 1:
        raise DataError(
            "some files are text (CSV) and some are not (Parquet, Arrow): ingest them apart"
        )
    shared = set.intersection(*(set(raw.names[1:]) for raw in raws.values()))
    if not shared:
        raise DataError(f"the files have no column in common: {', '.join(raws)}")
    tables, ragged, notes, before = [], [], [], 0
    every = list(dict.fromkeys(name for raw in raws.values() for name in raw.names[1:]))
    for file, raw in raws.items():
        table = raw.table.with_columns((pl.col(ROW) + before).cast(pl.UInt32))
        if sensor:
            if sensor in raw.names:
                raise DataError(f"{file}: has a column {sensor!r}; leave sensor_from_file out")
            table = table.with_columns(pl.lit(file.split(".")[0]).alias(sensor))
        tables.append(table)
        ragged.append(raw.ragged.with_columns(pl.col(pl.UInt32) + before))
        before += raw.rows
        lacking = [name for name in every if name not in raw.names]
        told = [*raw.notes, *([f"has no {', '.join(lacking)}: missing"] if lacking else [])]
        notes += [f"{file}: {note}" for note in told] if len(raws) > 1 else told
    try:
        table = pl.concat(tables, how="diagonal_relaxed")
        table.collect_schema()
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"columns of the same name are of different kinds: {reason}") from None
    first = next(iter(raws.values()))
    shown = {**first.format, **({"files": len(raws)} if len(raws) > 1 else {})}
    return Raw(table, kinds.pop(), pl.concat(ragged), shown, notes)


def wide(raw: Raw, keys: list[str], name: str, value: str) -> Raw:
    """Return a long table as a wide one: a row a time (and sensor), a column a name.

    Exact repeats of a row are left out and told. Where a name has several values at a time, each
    is on a row of its own: which of them counts is for the clean steps to say.

    Raises:
        DataError: a column is not there.
    """
    frame, notes = raw.table.collect(), list(raw.notes)
    for column, option in ((name, "name_column"), (value, "value_column")):
        if column not in frame.columns:
            raise DataError(unknown_column(f"ingest.options.{option}", column, frame.columns))
    frame = frame.with_columns(pl.col(name).cast(pl.String).str.strip_chars().replace("", None))
    whole = frame.filter(pl.col(name).is_not_null())
    lost = len(frame) - len(whole) - len(raw.ragged)
    if lost:
        notes.append(f"{name}: {lost} rows have no name, and are left out")
    rest = [c for c in whole.columns if c not in (ROW, name, value, *keys)]
    if rest:
        notes.append(f"long table: left out beside name and value: {', '.join(rest)}")
        notes += mixed.not_looked_at(whole, name, rest)
    cells = whole.select(*keys, name, value)
    distinct = cells.unique(maintain_order=True)
    if len(distinct) < len(cells):
        notes.append(f"long table: {len(cells) - len(distinct)} rows repeat another exactly")
    nth = distinct.with_columns(pl.int_range(pl.len()).over(*keys, name).cast(pl.UInt32).alias(NTH))
    several = int((nth[NTH] > 0).sum())
    if several:
        notes.append(
            f"long table: {several} values stand at a time that has one of this name already: on "
            "rows of their own"
        )
    made = nth.pivot(
        on=name, index=[*keys, NTH], values=value, aggregate_function=None, maintain_order=True
    ).drop(NTH)
    notes.append(f"long table: {len(frame)} rows to {len(made)}, a column for each {name}")
    blank = pl.DataFrame(schema=made.schema).clear(len(raw.ragged))
    ragged = raw.ragged.with_columns(
        (pl.int_range(pl.len(), dtype=pl.UInt32) + len(made) + 1).cast(pl.UInt32).alias(ROW)
    )
    table = numbered(pl.concat([made, blank]).lazy())
    return Raw(table, raw.text, ragged, raw.format, notes, raw.types)
