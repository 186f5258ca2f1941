"""Units that a column's name states, and columns that are told what they are for."""

import re

from tasks.core.errors import DataError
from tasks.core.plugins import unknown
from tasks.core.schema import Column, Role, Table
from tasks.ingest.reading import Reading

STATED = (  # only what can be nothing else; the first that fits
    (re.compile(r"\((?:°|deg ?)?C\)$|^temp\w*_c$", re.IGNORECASE), "degC"),
    (re.compile(r"\((?:°|deg ?)?F\)$|^temp\w*_f$", re.IGNORECASE), "degF"),
    (re.compile(r"\(%\)$|_(?:pct|percent)$", re.IGNORECASE), "%"),
    (re.compile(r"[_( ]ppm\)?$", re.IGNORECASE), "ppm"),
    (re.compile(r"[_( ]ppb\)?$", re.IGNORECASE), "ppb"),
    (re.compile(r"[_( ]hpa\)?$", re.IGNORECASE), "hPa"),
    (re.compile(r"[_( ]inhg\)?$", re.IGNORECASE), "inHg"),
    (re.compile(r"[_( ]mm_?hg\)?$", re.IGNORECASE), "mmHg"),
    (re.compile(r"[_( ](?:lux|lx)\)?$", re.IGNORECASE), "lx"),
    (re.compile(r"[_( ][uµμ]g/?m\^?[3³]\)?$", re.IGNORECASE), "ug/m3"),
)


def by_name(name: str) -> str | None:
    """Return the unit that a column's name states, None where it states none."""
    return next((unit for pattern, unit in STATED if pattern.search(name)), None)


def described(
    reading: Reading, table: Table | None, units: dict[str, str], roles: dict[str, Role]
) -> Reading:
    """Return a reading whose columns have these units and roles where params do not state others.

    table: None: params state nothing, the columns are part of a larger table.

    Raises:
        DataError: a role is for a column that the table does not have.
    """
    columns, listed = dict(reading.columns), table.columns if table else {}
    notes = list(reading.source["notes"])
    for name, role in roles.items():
        if name not in columns:
            raise DataError(unknown(f"column {name!r}", name, tuple(columns)))
        stated = listed.get(name, Column()).role
        if name != (table and table.target) and stated == "feature":
            columns[name] = columns[name].model_copy(update={"role": role})
            notes = [note for note in notes if not note.startswith(f"{name}: role ")]
    clocks = [name for name, role in roles.items() if role == "time"]
    for name, column in columns.items():
        if clocks and column.role == "time" and name not in clocks and name not in listed:
            columns[name] = column = column.model_copy(update={"role": "ignore"})
            notes = [note for note in notes if not note.startswith(f"{name}: role ")]
            notes.append(f"{name}: role ignore: a second clock beside {clocks[0]}")
        unit = units.get(name)
        if column.unit is None and unit:
            columns[name] = column.model_copy(update={"unit": unit})
    return reading._replace(columns=columns, source={**reading.source, "notes": notes})
