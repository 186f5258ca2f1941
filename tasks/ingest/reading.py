"""Reads a table file of any kind that is known into a typed frame; nothing is changed silently."""

import difflib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import polars as pl

from tasks.core.artifacts import file_digest
from tasks.core.counting import counted
from tasks.core.errors import DataError
from tasks.core.plugins import unknown
from tasks.core.schema import ROW, Column, Columns, Table, Type
from tasks.ingest import binary, files
from tasks.ingest.conversion import Taken
from tasks.ingest.delimited import cells
from tasks.ingest.encoding import to_utf8
from tasks.ingest.options import ReadOptions
from tasks.ingest.raw import LINE, UNPARSED, Raw, numbered
from tasks.ingest.roles import roles
from tasks.ingest.settling import Settled, settled
from tasks.ingest.target import check_rows, check_target

MOST_NAMED = 40


class Reading(NamedTuple):
    """A table as read. `table`: ROW first, then the columns in the file's order.

    `source` is what goes into source.json. `unparsed` (ROW, column, value, reason): what stands in
    the file where the frame has a null because it is not of the column's type; column `__line__`:
    the whole line of a row with too many or too few fields, all of whose cells are null. `validate`
    quarantines those rows.
    """

    table: pl.LazyFrame
    columns: Columns
    source: dict
    unparsed: pl.DataFrame

    @property
    def frame(self) -> pl.DataFrame:
        """Return the table in memory."""
        return self.table.collect()


class About(NamedTuple):
    """Where columns come from: a name for messages, the data's sha256, words for the record."""

    name: str
    sha256: str
    origin: str


def read_table(
    path: Path, table: Table | None, options: ReadOptions, origin: str | None = None
) -> Reading:
    """Return the typed table of a file; without `table` every column is found out and none is
    checked.

    Raises:
        DataError: it is no table, columns are missing or not expected, or the target cannot be one.
    """
    raw = read_raw(path, options, table)
    about = About(path.name, file_digest(path), origin or f"file {path.name}")
    return settle(raw, about, table, options)


def settle(
    raw: Raw,
    about: About,
    table: Table | None,
    options: ReadOptions,
    nan_is_missing: bool = False,
) -> Reading:
    """Return the typed table of columns that were read; see `read_table`.

    `nan_is_missing`: a NaN of the target is a missing value, as in the other columns, and no error.

    Raises:
        DataError: columns are missing or not expected, or the target cannot be one.
    """
    name, notes = about.name, list(raw.notes)
    raw = raw._replace(notes=notes)
    names = _select(raw.names[1:], table, name, notes)
    check_rows(raw.rows, name)
    found = settled(raw, names, table, options, name)
    if table is not None:
        cells = raw.read([ROW, table.target], name)
        values = found.kept.column(table.target)
        nan_is_missing |= "nan" in [mark.strip().lower() for mark in options.missing or []]
        taken, of_file = found.taken[table.target], cells[table.target]
        check_target(cells[ROW], values, taken, of_file, table, name, nan_is_missing)
    columns = _columns(found, table, notes)
    unparsed = found.unparsed
    counts = Counter(unparsed["column"].to_list())
    for column, count in counts.items():
        if column != LINE:
            examples = unparsed.filter(pl.col("column") == column).head(3)
            shown = ", ".join(f"{v!r} (row {r})" for r, _, v, _ in examples.iter_rows())
            wrong = f"{counted(count, 'value is', 'values are')} not {columns[column].type}"
            notes.append(f"{column}: {wrong}: {shown}; quarantine")
    source = {
        "origin": about.origin,
        "licence": options.licence,
        "sha256": about.sha256,
        "rows": raw.rows,
        "columns": len(columns),
        "format": {**raw.format, "columns": _shown(found.taken, counts)},
        "notes": notes,
    }
    return Reading(found.kept.table().select(ROW, *columns), columns, source, unparsed)


def read_raw(path: Path, options: ReadOptions, table: Table | None = None) -> Raw:
    """Return a file's columns with row numbers, before types are settled."""
    path = files.data_file(path)
    kind = files.kind(path)
    if kind in ("parquet", "arrow"):
        scan = binary.scan_of(path, kind)
        if ROW in scan.collect_schema():
            raise DataError(f"{path.name}: column {ROW!r} is a name that Temper keeps; rename it")
        return Raw(numbered(scan), False, pl.DataFrame(schema=UNPARSED), {"kind": kind}, [])
    text = to_utf8(
        files.unzip(path) if kind == "gzip" else path.read_bytes(), path.name, options.encoding
    )
    files.refuse_markup(text.content[:1000].decode("utf-8", "ignore"), path.name)
    expected = {table.target, *table.columns} if table else set()
    found = cells(text.content, path.name, options, expected)
    shown = {
        "compression": "gzip" if kind == "gzip" else None,
        "encoding": text.encoding,
        "byte_order_mark": text.bom,
        **found.format,
    }
    return Raw(found.frame.lazy(), True, found.ragged, shown, text.notes + found.notes)


def _select(present: list[str], table: Table | None, name: str, notes: list[str]) -> list[str]:
    """Return the columns to keep, in the file's order."""
    if table is None:
        return present
    problems = []
    listed = table.columns
    if table.target not in present:
        problems.append(unknown_column("target column", table.target, present))
    lacking = [
        column
        for column, spec in listed.items()
        if spec.required and column not in present and column != table.target
    ]
    if lacking:
        problems.append(
            f"{len(lacking)} columns of table.columns are not in the file: {_some(lacking)} "
            "(required: false allows that)"
        )
    extra = [c for c in present if listed and c not in listed and c != table.target]
    if extra and table.extra_columns == "error":
        problems.append(
            f"{len(extra)} columns are not in table.columns: {_some(extra)} (list them, with "
            "role: ignore where they are of no use, or set table.extra_columns: ignore)"
        )
    if problems:
        raise DataError("\n".join(f"{name}: {problem}" for problem in problems))
    if extra:
        notes.append(f"{len(extra)} columns that params do not list left out: {_some(extra)}")
    absent = [c for c in listed if c not in present]
    if absent:
        notes.append(f"columns that may be absent and are: {_some(absent)}")
    return [c for c in present if c not in extra]


def unknown_column(what: str, name: str, present: list[str]) -> str:
    """Return the message for a column that is not there: the nearest, and the names that are."""
    if len(present) <= MOST_NAMED:
        return unknown(f"{what} {name!r}", name, present)
    near = difflib.get_close_matches(name, present, n=MOST_NAMED, cutoff=0.4)
    shown = list(dict.fromkeys([*near, *present]))[:MOST_NAMED]
    return unknown(f"{what} {name!r}", name, shown)[:-1] + f" … ({len(present)} in all)."


def _columns(found: Settled, table: Table | None, notes: list[str]) -> Columns:
    target = table.target if table else None
    listed = table.columns if table else {}
    unlisted: dict[str, Type] = {
        n: each.type for n, each in found.taken.items() if n not in listed and n != target
    }
    guesses = roles(found.kept.column, unlisted, target) if not listed else {}
    columns: Columns = {}
    for name, each in found.taken.items():
        spec = listed.get(name, Column()).model_copy(update={"type": each.type})
        if name == target:
            spec = spec.model_copy(update={"role": "target"})
        elif name in guesses and guesses[name].role != "feature":
            spec = spec.model_copy(update={"role": guesses[name].role})
            notes.append(f"{name}: role {guesses[name].role}: {guesses[name].reason}")
        elif name in listed and spec.role == "feature" and _constant(found.kept.column(name)):
            notes.append(f"{name}: constant")
        columns[name] = spec
    return columns


def _constant(values: pl.Series) -> bool:
    present = values.drop_nulls()
    return present.head(1000).n_unique() < 2 and present.n_unique() < 2


def _shown(taken: dict[str, Taken], unparsed: Mapping[str, int]) -> dict[str, dict]:
    """Return for each column what it was taken for."""
    shown: dict[str, dict] = {}
    for name, each in taken.items():
        shown[name] = {"type": each.type}
        if each.missing:
            shown[name]["missing_marks"] = each.missing
        if each.taken_for:
            shown[name]["taken_for"] = each.taken_for
        if unparsed.get(name):
            shown[name]["unparsed"] = unparsed[name]
    return shown


def _some(names: list[str]) -> str:
    return ", ".join(names[:12]) + (f" … ({len(names)} in all)" if len(names) > 12 else "")
