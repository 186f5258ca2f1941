"""Columns of a file to typed ones, and what stands in the file where a typed column has nothing."""

from typing import NamedTuple

import polars as pl

from tasks.core.errors import DataError
from tasks.core.schema import ROW, Table, Task, Type
from tasks.ingest import binary, conversion
from tasks.ingest.conversion import Taken, Typed
from tasks.ingest.options import ReadOptions
from tasks.ingest.raw import LINE, UNPARSED, Kept, Raw


class Settled(NamedTuple):
    """Typed columns and ROW, what each was taken for, and the cells that are not of its type."""

    kept: Kept
    taken: dict[str, Taken]
    unparsed: pl.DataFrame


def settled(
    raw: Raw, names: list[str], table: Table | None, options: ReadOptions, about: str
) -> Settled:
    """Return every column that can be one, typed; those that no one asked for may be left out.

    about: what messages call the table. What is to be said of a column goes to `raw.notes`.

    Raises:
        DataError: columns that are asked for cannot be of their type.
    """
    comma_file = False
    if raw.text:
        head = raw.table.select(names).head(conversion.SAMPLE).collect()
        comma_file = conversion.decimal_comma(head)
        raw.format["decimal_mark"] = options.decimal or ("," if comma_file else ".")
    taken: dict[str, Taken] = {}
    unparsed, problems = [pl.DataFrame(schema=UNPARSED)], []
    kept = Kept(raw, names)
    for number, lot in enumerate(kept.lots):
        cells = raw.read([ROW, *lot], about)
        made = [] if number else [cells[ROW]]
        for column in lot:
            spec = table.columns.get(column) if table else None
            wanted = (spec.type if spec else None) or raw.types.get(column)
            task = table.task if table and column == table.target else None
            found = _typed(raw, cells[column], wanted, task, options, comma_file)
            if isinstance(found, Typed):
                taken[column] = found.taken
                made.append(found.values)
                unparsed.append(_cells(cells, column, found.unparsed))
                present = len(cells) - cells[column].null_count() - sum(found.missing.values())
                if wanted and len(unparsed[-1]) == present > 0:
                    problems.append(f"column {column!r}: no value is {wanted}, as params state")
                elif found.note:
                    raw.notes.append(f"{column}: {found.note}")
            elif task or (spec is not None and spec.role != "ignore"):
                problems.append(f"column {column!r} {found}; leave it out or give it role: ignore")
            else:
                raw.format.setdefault("left_out", []).append(column)
                raw.notes.append(f"{column}: {found}: left out")
        kept.add(made, cells)
    if problems:
        raise DataError("\n".join(f"{about}: {problem}" for problem in problems))
    if raw.text:
        unparsed.append(raw.ragged.select(ROW, pl.lit(LINE).alias("column"), "value", "reason"))
    return Settled(kept, taken, pl.concat(unparsed).sort(ROW, "column"))


def _typed(
    raw: Raw,
    cells: pl.Series,
    wanted: Type | None,
    task: Task | None,
    options: ReadOptions,
    comma_file: bool,
) -> Typed | str:
    """Return a typed column, or in words why it cannot be one. task: of a target, else None."""
    if not raw.text:
        return binary.settle(cells, wanted, options)
    label = task == "classification"
    found = conversion.typed(cells, wanted, options, comma_file, label)
    if task and wanted is None and not label:
        return conversion.as_number(cells, found, options, comma_file)
    return found


def _cells(cells: pl.DataFrame, column: str, unparsed: pl.Series) -> pl.DataFrame:
    """Return the cells of a column that are not of its type, as they stand in the file."""
    if not unparsed.any():
        return pl.DataFrame(schema=UNPARSED)
    return cells.filter(unparsed).select(
        ROW,
        pl.lit(column).alias("column"),
        pl.col(column).cast(pl.String).alias("value"),
        pl.lit(None, pl.String).alias("reason"),
    )
