"""A delimited text to a frame of strings; records that do not fit are kept beside it."""

import re
from collections import Counter
from typing import NamedTuple

import polars as pl

from tasks.core.errors import DataError
from tasks.core.schema import ROW
from tasks.ingest.options import ReadOptions
from tasks.ingest.records import Records, plain, quoted
from tasks.ingest.sniff import Shape, shape


class Cells(NamedTuple):
    """A table of strings: `frame` has ROW and then every column as String, nothing turned into a
    number.

    `ragged`: ROW, line (in the file, from 1), value (the text as it is) of the records with too
    many or too few fields; their cells in `frame` are null.
    """

    frame: pl.DataFrame
    ragged: pl.DataFrame
    format: dict
    notes: list[str]


def cells(content: bytes, name: str, options: ReadOptions, expected: set[str]) -> Cells:
    """Return the cells of a delimited text (UTF-8); `expected` are column names that params speak
    of.

    Raises:
        DataError: no rows, duplicate names, quotes that do not close, one column only.
    """
    notes: list[str] = []
    if b"\r" in content and b'"' not in content and re.search(rb"\r(?!\n)", content):
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        notes.append("line ends: carriage returns alone, taken for line ends")
    if not content.strip():
        raise DataError(f"{name}: nothing but blank lines, expected a header and rows")
    found = shape(content, name, options, expected)
    body = content[found.skipped_bytes :]
    if found.skipped:
        notes.append(f"{found.skipped} lines before the table left out (comments, `sep=` or blank)")
    opening = rb"(?:\A|[\r\n" + re.escape(found.delimiter.encode()) + rb'])"'
    records: Records
    if b'"' in body and re.search(opening, body):
        quoting = "double quotes"
        records = quoted(body, found.delimiter, name, found.skipped + 1)
    else:
        quoting = "none; quotes are text" if b'"' in body else "none"
        records = plain(body, found.delimiter)
    if records.blank:
        notes.append(f"{records.blank} blank lines left out; they have no row number")
    names, width = _names(found, records, name, notes)
    frame, ragged = _frame(records, names, width, int(found.header), found.skipped, name)
    shown = {
        "kind": "delimited text",
        "delimiter": found.delimiter,
        "quoting": quoting,
        "header": found.header,
        "header_because": found.why_header,
        "first_row_on_line": int(records.lines[int(found.header)]) + found.skipped,
        "ragged_rows": len(ragged),
    }
    _note_ragged(ragged, width, notes)
    return Cells(frame, ragged, shown, notes)


def _names(found: Shape, records: Records, name: str, notes: list[str]) -> tuple[list[str], int]:
    """Return the columns' names and how many fields a sound record has."""
    if len(records.widths) <= int(found.header):
        raise DataError(f"{name}: a header and no rows, expected rows of data below it")
    if not found.header:
        names = [f"column_{i + 1}" for i in range(found.width)]
        notes.append(
            f"no header ({found.why_header}): columns named column_1 to column_{found.width}; "
            "if the first line is the header, state ingest.options.header: true"
        )
        return names, found.width
    names = [each.strip() for each in found.names]
    if names != list(found.names):
        notes.append("header: spaces around names left out")
    below = records.widths.slice(1)
    width = len(names)
    if not (below == width).any() and (below == width + 1).sum() > 0.5 * len(below):
        last = records.fields(width + 1, 1).to_series(width)
        if (last.str.strip_chars() == "").all():
            notes.append(
                "every row ends with a delimiter that the header lacks: last field left out"
            )
            names = [*names, ""]
        else:
            notes.append(
                "the header lacks a name for the first column: named row_name (R writes so)"
            )
            names = ["row_name", *names]
    elif (below == width).sum() < 0.5 * len(below):
        usual = int(below.mode()[0])
        raise DataError(
            f"{name}: the header has {width} names, most rows have {usual} fields (delimiter "
            f"{found.delimiter!r}); correct it, or state ingest.options.delimiter or .header"
        )
    doubled = [f"{each!r} ({n} times)" for each, n in Counter(names).items() if n > 1 and each]
    if ROW in names:
        doubled.append(f"{ROW!r} (a name that Temper keeps for row numbers)")
    if doubled:
        raise DataError(
            f"{name}: duplicate column names in the header: {', '.join(doubled)}; rename them"
        )
    taken = set(names)
    for index, each in enumerate(names[:-1]):
        if not each:
            names[index] = next(
                n for n in (f"column_{index + 1}", f"unnamed_{index + 1}") if n not in taken
            )
            notes.append(f"column {index + 1} has no name: named {names[index]}")
    return names, len(names)


def _frame(
    records: Records, names: list[str], width: int, skip: int, skipped_lines: int, name: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the frame of strings with row numbers, and the ragged records."""
    count = len(records.widths) - skip
    rows = pl.int_range(1, count + 1, eager=True, dtype=pl.UInt32).alias(ROW)
    good = (records.widths == width).slice(skip)
    fields = records.fields(width, skip)
    if not names[-1]:
        if (fields.to_series(width - 1).str.strip_chars() == "").all():
            names, fields = names[:-1], fields.select(fields.columns[:-1])
        else:
            names = [*names[:-1], f"column_{width}"]
    frame = fields.rename(dict(zip(fields.columns, names, strict=True)))
    frame = frame.select(rows.filter(good), *names)
    bad = (~good).arg_true().to_list()
    ragged = pl.DataFrame(
        {
            ROW: rows.gather(bad),
            "line": records.lines.slice(skip).gather(bad) + skipped_lines,
            "value": pl.Series(records.raw([i + skip for i in bad]), dtype=pl.String),
            "reason": pl.Series(
                [f"{records.widths[i + skip]} fields, expected {width}" for i in bad],
                dtype=pl.String,
            ),
        }
    )
    if bad:
        frame = pl.concat([frame, ragged.select(ROW)], how="diagonal").sort(ROW)
    return frame, ragged


def _note_ragged(ragged: pl.DataFrame, width: int, notes: list[str]) -> None:
    if len(ragged):
        where = ", ".join(f"{row} (line {line})" for row, line, *_ in ragged.head(5).iter_rows())
        more = " …" if len(ragged) > 5 else ""
        notes.append(
            f"{len(ragged)} rows have not {width} fields and go to quarantine: row {where}{more}"
        )
