"""An Oura ring, through the Oura API v2 (`usercollection`): one row a day, or one a heart rate.

Collected by `temper collect`; the token stands in OURA_TOKEN. Not for the ring's raw signals, which
the interface does not give. See docs/collect.md.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from tasks.core.schema import Table
from tasks.ingest.oura import tables
from tasks.ingest.oura.days import Documents
from tasks.ingest.reading import About, Reading
from tasks.ingest.remote import collecting, days, values
from tasks.ingest.remote.client import Client, Query
from tasks.ingest.remote.credentials import Credentials, bearer
from tasks.ingest.remote.options import CollectOptions

ORIGIN = "collected"
FOLDER = True
LIBRARIES = ("polars",)
TOKEN = "OURA_TOKEN"
WINDOW_DAYS = 30  # of heart rates the interface gives no more at once

Endpoint = Literal[
    "daily_sleep",
    "sleep",
    "daily_activity",
    "daily_readiness",
    "heartrate",
    "session",
    "workout",
]
EVERY: tuple[Endpoint, ...] = (
    *("daily_sleep", "sleep", "daily_activity", "daily_readiness"),
    *("heartrate", "session", "workout"),
)


class Params(CollectOptions):
    """What is collected of the ring, and which table is made of it."""

    base_url: str = Field(default="https://api.ouraring.com", validate_default=True)
    endpoints: tuple[Endpoint, ...] = Field(default=EVERY, min_length=1)
    table: tables.Kind = Field(
        default="daily", description="daily: a row a day; heartrate: a row a heart rate"
    )


def credentials(params: Params) -> Credentials:
    """Return how requests are signed."""
    where = "get one by your application of developer.ouraring.com (OAuth), or renew it there"
    return Credentials((TOKEN,), where, bearer(TOKEN))


def parts(params: Params) -> tuple[str, ...]:
    """Return the endpoints."""
    return params.endpoints


def documents(
    client: Client, params: Params, part: str, first: date, last: date
) -> Iterator[tuple[date | None, str, dict[str, Any]]]:
    """Yield an endpoint's documents of a window.

    Of days a wider window is asked for: the interface counts `start_date` or `end_date` in for
    some endpoints and not for others, and that has changed before.
    """
    path = f"v2/usercollection/{part}"
    if part == "heartrate":
        end = last + timedelta(days=1)
        query: Query = {"start_datetime": f"{first}T00:00:00Z", "end_datetime": f"{end}T00:00:00Z"}
    else:
        begin, end = first - timedelta(days=1), last + timedelta(days=1)
        query = {"start_date": str(begin), "end_date": str(end)}
    for document in client.pages(path, query, "data", "next_token"):
        if part == "heartrate":
            moment = values.instant(document.get("timestamp"))
            day, text = (moment.date(), values.moment(moment)) if moment else (None, "")
        else:
            day = values.day(document.get("day"))
            text = str(day)
        if day is None or first <= day <= last:
            yield day, text, document


def origin(params: Params, source: Path | None) -> str:
    """Return the sha256 of what was collected."""
    return collecting.digest(source)


def fetch(params: Params, source: Path | None, folder: Path) -> None:
    """Copy what was collected, as it is."""
    collecting.copy(source, folder)


def read(raw: Path, params: Params, table: Table | None) -> Reading:
    """Return the typed table of the documents; roles and units stated."""
    found: Documents = {
        part: ((day, document) for day, _, document in days.documents(raw / part))
        for part in params.endpoints
    }
    about = About("Oura", collecting.digest(raw), f"Oura API v2 ({', '.join(params.endpoints)})")
    reading = tables.reading(found, params.table, about, table, params.licence)
    reading.source["notes"] += days.notes(raw, params.endpoints)
    return reading
