"""Which table is made of Oura's documents."""

from typing import Literal

import polars as pl

from tasks.core.errors import DataError
from tasks.core.schema import Table
from tasks.ingest.oura import days
from tasks.ingest.oura.values import EARLIEST, instant, number
from tasks.ingest.reading import About, Reading
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
    rows = [
        (instant(each.get("timestamp")), number(each.get("bpm")), str(each.get("source")))
        for _, each in documents.get("heartrate", [])
    ]
    good = sorted(row for row in rows if row[0] != EARLIEST and row[1] is not None)
    if not good:
        raise DataError("no heart rates: is `heartrate` among ingest.options.endpoints?")
    schema = {TIME: pl.Datetime("us", "UTC"), "heart_rate_bpm": pl.Float64, "source": pl.String}
    frame = pl.DataFrame(good, schema=schema, orient="row")
    lost = len(rows) - len(good)
    notes = [f"heartrate: {lost} documents without a time or a rate left out"] if lost else []
    return Made(frame, {"heart_rate_bpm": "1/min"}, notes)
