"""Which table is made of Oura's documents."""

from itertools import groupby
from operator import itemgetter
from typing import Literal

import polars as pl

from tasks.core.errors import DataError
from tasks.core.schema import Table
from tasks.ingest.oura import days
from tasks.ingest.reading import About, Reading
from tasks.ingest.remote.values import instant, number
from tasks.ingest.sensors import made
from tasks.ingest.sensors.made import Made

Kind = Literal["daily", "heartrate"]
TIME = "time"


def reading(
    documents: days.Documents, kind: Kind, about: About, table: Table | None, licence: str | None
) -> Reading:
    """Return the typed table.

    Raises:
        DataError: there are no documents, or they do not fit the workload's table.
    """
    if kind == "heartrate":
        return made.reading(heart_rates(documents), about, table, {TIME: "time"}, licence)
    return made.reading(days.table(documents), about, table, {days.DAY: "time"}, licence)


def heart_rates(documents: days.Documents) -> Made:
    """Return one row a heart rate: time (UTC), bpm, source; in order.

    Raises:
        DataError: there is none.
    """
    schema = {TIME: pl.Datetime("us", "UTC"), "heart_rate_bpm": pl.Float64, "source": pl.String}
    parts = [pl.DataFrame(schema=schema)]
    for _, pairs in groupby(documents.get("heartrate", []), key=itemgetter(0)):
        rows = [
            (instant(each.get("timestamp")), number(each.get("bpm")), _word(each.get("source")))
            for _, each in pairs
        ]  # of a day: all of them at once would take a kilobyte each
        parts.append(pl.DataFrame(rows, schema=schema, orient="row"))
    every = pl.concat(parts)
    frame = every.drop_nulls([TIME, "heart_rate_bpm"]).sort(every.columns)
    if frame.is_empty():
        raise DataError("no heart rates: is `heartrate` among ingest.options.endpoints?")
    lost = len(every) - len(frame)
    notes = [f"heartrate: {lost} documents without a time or a rate left out"] if lost else []
    return Made(frame, {"heart_rate_bpm": "1/min"}, notes)


def _word(value: object) -> str:
    """Return a text that can be written; half a character is a question mark."""
    return str(value).encode(errors="replace").decode()
