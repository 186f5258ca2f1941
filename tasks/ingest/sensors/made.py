"""Tables that a plugin makes of documents or files itself, as readings."""

from typing import NamedTuple

import polars as pl

from tasks.core.schema import ROW, Role, Table
from tasks.ingest.options import ReadOptions
from tasks.ingest.raw import UNPARSED, Raw, numbered
from tasks.ingest.reading import About, Reading, settle
from tasks.ingest.sensors.units import described


class Made(NamedTuple):
    """A typed frame, the units of its columns, and what is to be said about it."""

    frame: pl.DataFrame
    units: dict[str, str]
    notes: list[str]


def reading(
    made: Made, about: About, table: Table | None, roles: dict[str, Role], licence: str | None
) -> Reading:
    """Return the reading of a frame; its rows are numbered from 1 where they have no numbers yet.

    Raises:
        DataError: columns are missing or not expected, or the target cannot be one.
    """
    frame = made.frame
    if ROW not in frame.columns:
        frame = numbered(frame.lazy()).collect()
    raw = Raw(frame.lazy(), False, pl.DataFrame(schema=UNPARSED), {"kind": "made"}, made.notes)
    found = settle(raw, about, table, ReadOptions(licence=licence))
    return described(found, table, made.units, roles)
