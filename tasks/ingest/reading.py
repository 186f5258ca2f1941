"""Reads a table file of any kind that is known into a typed frame; nothing is changed silently."""

import difflib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from tasks.core.artifacts import file_digest
from tasks.core.counting import counted
from tasks.core.errors import DataError
from tasks.core.plugins import unknown
from tasks.core.schema import ROW, Column, Columns, Table, Type
from tasks.ingest import binary, conversion, files
from tasks.ingest.conversion import Typed
from tasks.ingest.delimited import cells
from tasks.ingest.encoding import to_utf8
from tasks.ingest.options import ReadOptions
from tasks.ingest.roles import roles
from tasks.ingest.target import check_rows, check_target

UNPARSED = {ROW: pl.UInt32, "column": pl.String, "value": pl.String, "reason": pl.String}
MOST_NAMED = 40
LINE = "__line__"  # the column that `unparsed` names for a row with too many or too few fields


class Reading(NamedTuple):
    """A table as read. `frame`: ROW first, then the columns in the file's order.

    `source` is what goes into source.json. `unparsed` (ROW, column, value, reason): what stands in
    the file where the frame has a null because it is not of the column's type; column `__line__`:
    the whole line of a row with too many or too few fields, all of whose cells are null. `validate`
    quarantines those rows.
    """

    frame: pl.DataFrame
    columns: Columns
    source: dict
    unparsed: pl.DataFrame


class About(NamedTuple):
    """Where columns come from: a name for messages, the data's sha256, words for the record."""

    name: str
    sha256: str
    origin: str


class Raw(NamedTuple):
    """A file's columns before types are settled: strings (text files) or the file's own types.

    `types`: those of columns whose type is known without params' columns saying it.
    """

    frame: pl.DataFrame
    text: bool
    ragged: pl.DataFrame
    format: dict
    notes: list[str]
    types: Mapping[str, Type] = MappingProxyType({})


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
    name = about.name
    notes = list(raw.notes)
    kept = _select(raw.frame.columns[1:], table, name, notes)
    check_rows(len(raw.frame), name)
    found = _settle(raw, kept, table, options, name, notes)
    if table is not None:
        column = raw.frame[table.target]
        nan_is_missing |= "nan" in [mark.strip().lower() for mark in options.missing or []]
        check_target(raw.frame[ROW], found[table.target], column, table, name, nan_is_missing)
    frame = pl.DataFrame([raw.frame[ROW], *(each.values for each in found.values())])
    columns = _columns(frame, found, table, notes)
    frame = frame.select(ROW, *columns)
    unparsed = _unparsed(raw, {name: found[name] for name in columns})
    for column, count in Counter(unparsed["column"].to_list()).items():
        if column != LINE:
            examples = unparsed.filter(pl.col("column") == column).head(3)
            shown = ", ".join(f"{v!r} (row {r})" for r, _, v, _ in examples.iter_rows())
            wrong = f"{counted(count, 'value is', 'values are')} not {columns[column].type}"
            notes.append(f"{column}: {wrong}: {shown}; quarantine")
    source = {
        "origin": about.origin,
        "licence": options.licence,
        "sha256": about.sha256,
        "rows": len(frame),
        "columns": frame.width - 1,
        "format": {**raw.format, "columns": _taken(found, unparsed)},
        "notes": notes,
    }
    return Reading(frame, columns, source, unparsed)


def read_raw(path: Path, options: ReadOptions, table: Table | None = None) -> Raw:
    """Return a file's columns with row numbers, before types are settled."""
    path = files.data_file(path)
    kind = files.kind(path)
    if kind in ("parquet", "arrow"):
        frame = binary.frame_of(path, kind)
        if ROW in frame.columns:
            raise DataError(f"{path.name}: column {ROW!r} is a name that Temper keeps; rename it")
        rows = pl.int_range(1, len(frame) + 1, eager=True, dtype=pl.UInt32).alias(ROW)
        frame = frame.select(rows, *frame.columns)
        return Raw(frame, False, pl.DataFrame(schema=UNPARSED), {"kind": kind}, [])
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
    return Raw(found.frame, True, found.ragged, shown, text.notes + found.notes)


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


def _settle(
    raw: Raw,
    kept: list[str],
    table: Table | None,
    options: ReadOptions,
    name: str,
    notes: list[str],
) -> dict[str, Typed]:
    """Return every column that can be one, typed; those that no one asked for may be left out."""
    comma_file = raw.text and conversion.decimal_comma(raw.frame.select(kept))
    if raw.text:
        raw.format["decimal_mark"] = options.decimal or ("," if comma_file else ".")
    found: dict[str, Typed] = {}
    problems = []
    for column in kept:
        spec = table.columns.get(column) if table else None
        is_target = table is not None and column == table.target
        wanted = (spec.type if spec else None) or raw.types.get(column)
        cells_ = raw.frame[column]
        if raw.text:
            label = is_target and table is not None and table.task == "classification"
            result: Typed | str = conversion.typed(cells_, wanted, options, comma_file, label)
            if is_target and wanted is None and not label:
                result = conversion.as_number(cells_, result, options, comma_file)
        else:
            result = binary.settle(cells_, wanted, options)
        if isinstance(result, Typed):
            found[column] = result
            present = len(cells_) - cells_.null_count()
            if (
                wanted
                and result.unparsed.any()
                and result.unparsed.sum() == present - sum(result.missing.values())
            ):
                problems.append(f"column {column!r}: no value is {wanted}, as params state")
            elif result.note:
                notes.append(f"{column}: {result.note}")
        elif is_target or (spec is not None and spec.role != "ignore"):
            problems.append(f"column {column!r} {result}; leave it out or give it role: ignore")
        else:
            raw.format.setdefault("left_out", []).append(column)
            notes.append(f"{column}: {result}: left out")
    if problems:
        raise DataError("\n".join(f"{name}: {problem}" for problem in problems))
    return found


def _columns(
    frame: pl.DataFrame, found: dict[str, Typed], table: Table | None, notes: list[str]
) -> Columns:
    target = table.target if table else None
    listed = table.columns if table else {}
    unlisted: dict[str, Type] = {
        n: each.type for n, each in found.items() if n not in listed and n != target
    }
    guesses = roles(frame, unlisted, target) if not listed else {}
    columns: Columns = {}
    for name, each in found.items():
        spec = listed.get(name, Column()).model_copy(update={"type": each.type})
        if name == target:
            spec = spec.model_copy(update={"role": "target"})
        elif name in guesses and guesses[name].role != "feature":
            spec = spec.model_copy(update={"role": guesses[name].role})
            notes.append(f"{name}: role {guesses[name].role}: {guesses[name].reason}")
        elif name in listed and spec.role == "feature" and each.values.drop_nulls().n_unique() < 2:
            notes.append(f"{name}: constant")
        columns[name] = spec
    return columns


def _unparsed(raw: Raw, found: dict[str, Typed]) -> pl.DataFrame:
    parts = [pl.DataFrame(schema=UNPARSED)]
    for name, each in found.items():
        if each.unparsed.any():
            part = raw.frame.filter(each.unparsed).select(
                ROW,
                pl.lit(name).alias("column"),
                pl.col(name).cast(pl.String).alias("value"),
                pl.lit(None, pl.String).alias("reason"),
            )
            parts.append(part)
    if raw.text:
        parts.append(raw.ragged.select(ROW, pl.lit(LINE).alias("column"), "value", "reason"))
    return pl.concat(parts).sort(ROW, "column")


def _taken(found: dict[str, Typed], unparsed: pl.DataFrame) -> dict[str, dict]:
    """Return for each column what it was taken for."""
    counts = Counter(unparsed["column"].to_list())
    shown: dict[str, dict] = {}
    for name, each in found.items():
        shown[name] = {"type": each.type}
        if each.missing:
            shown[name]["missing_marks"] = each.missing
        if each.taken_for:
            shown[name]["taken_for"] = each.taken_for
        if counts[name]:
            shown[name]["unparsed"] = counts[name]
    return shown


def _some(names: list[str]) -> str:
    return ", ".join(names[:12]) + (f" … ({len(names)} in all)" if len(names) > 12 else "")
