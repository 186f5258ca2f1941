"""The unit of each value of a long table: one a name, converted by row where they differ."""

import re

import polars as pl

from tasks.core.errors import DataError
from tasks.core.quantities import UNITS, convert, unit_of
from tasks.core.schema import ROW
from tasks.ingest.reading import unknown_column

SAYS_UNITS = re.compile(r"units?|uom|unit_?of_?measure(ment)?", re.IGNORECASE)
OPTION = "ingest.options.unit_column"
SHOWN = 8


def one_a_name(
    frame: pl.DataFrame, name: str, value: str, unit: str, wanted: dict[str, str]
) -> tuple[pl.DataFrame, dict[str, str], list[str]]:
    """Return a long table without its column of units, the unit of each name, and notes.

    Args:
        frame: the long table; a value is a number, or a text that is one (others stay).
        name, value, unit: its columns.
        wanted: unit by name, for those whose values have several.

    Raises:
        DataError: a column is not there; values have several units, and none is wanted, or they
            cannot be converted to it.
    """
    if unit not in frame.columns:
        raise DataError(unknown_column(OPTION, unit, frame.columns))
    of = pl.col(name).cast(pl.String).str.strip_chars()
    texts = pl.col(unit).cast(pl.String).str.strip_chars().replace("", None)
    found = frame.select(name=of, unit=texts).drop_nulls().unique().sort("name", "unit")
    units: dict[str, str] = {}
    notes, problems = [], []
    for (each,), given in found.group_by("name", maintain_order=True):
        said = given["unit"].to_list()
        known = {text: unit_of(text) for text in said}
        if len({known[text] or text for text in said}) == 1:
            units[str(each)] = known[said[0]] or said[0]
            continue
        new = unit_of(wanted.get(str(each)))
        why = _why_not(known, new)
        if new is None or why:
            problems.append(f"{each}: values in {', '.join(said[:SHOWN])}: {why}")
            continue
        units[str(each)] = new
        for text, old in known.items():
            if old is None or old == new:
                continue
            here = (of == each) & (texts == text)
            number = _number(frame.schema[value], value)
            written = pl.col(value).cast(pl.String)
            odd = frame.filter(here & number.is_null() & written.str.contains(r"\d"))
            if len(odd):
                problems.append(
                    f"{each}: {odd[value][0]!r} in row {odd[ROW][0]} is no number to convert from "
                    f"{text} to {new}"
                )
                continue
            made = convert(number, old, new)
            made = made.cast(pl.String) if frame.schema[value] == pl.String else made
            becomes = pl.when(here & number.is_not_null()).then(made).otherwise(pl.col(value))
            frame = frame.with_columns(becomes.alias(value))
            notes.append(f"{each}: {len(frame.filter(here))} values from {text} to {new}")
        if lacking := len(frame.filter((of == each) & texts.is_null())):
            notes.append(f"{each}: {lacking} values have no unit, taken as {new}")
    if problems:
        raise DataError("\n".join(f"{OPTION}: {problem}" for problem in problems))
    return frame.drop(unit), units, notes


def _number(dtype: pl.DataType, value: str) -> pl.Expr:
    held = pl.col(value).str.strip_chars() if dtype == pl.String else pl.col(value)
    return held.cast(pl.Float64, strict=False)


def not_looked_at(frame: pl.DataFrame, name: str, columns: list[str]) -> list[str]:
    """Return a note for each name whose values have several units, as a column left out says."""
    notes = []
    for column in (c for c in columns if SAYS_UNITS.fullmatch(c)):
        told = frame.group_by(name, maintain_order=True).agg(pl.col(column).drop_nulls().unique())
        for each, units in told.iter_rows():
            if len(units) > 1:
                shown = ", ".join(sorted(str(unit) for unit in units)[:SHOWN])
                notes.append(
                    f"{each}: values in several units by {column} ({shown}), left as they are: "
                    f"state {OPTION}: {column}"
                )
    return notes


def _why_not(known: dict[str, str | None], new: str | None) -> str:
    """Return why values of these units cannot become those of one; "" where they can."""
    if new is None:
        return "state a known one in ingest.options.units, to convert them to"
    strange = [
        text
        for text, unit in known.items()
        if unit is None or UNITS[unit].quantity != UNITS[new].quantity
    ]
    return f"{', '.join(strange[:SHOWN])} cannot be converted to {new}" if strange else ""
