"""A personal weather station, through Weather Underground's PWS history (metric units).

Collected by `temper collect`; the key stands in WU_API_KEY (free for those whose station reports).
Not for forecasts, nor for other people's stations in bulk: the key is for 1,500 calls a day.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import Field, field_validator

from tasks.core.errors import DataError
from tasks.core.schema import Table
from tasks.ingest.reading import About, Reading
from tasks.ingest.remote import collecting, days, values
from tasks.ingest.remote import parts as names
from tasks.ingest.remote.client import Client, Query
from tasks.ingest.remote.credentials import Credentials, in_query
from tasks.ingest.remote.errors import AnswerError
from tasks.ingest.remote.options import CollectOptions
from tasks.ingest.sensors import made

ORIGIN = "collected"
FOLDER = True
LIBRARIES = ("polars",)
KEY = "WU_API_KEY"
WINDOW_DAYS = 1  # an answer is of one day
TIME, STATION = days.TIME, "station"
UNITS = {  # field, in the observation or in its `metric`: unit, where `units=m` is asked for
    "solarRadiationHigh": "W/m2",
    "uvHigh": None,
    "winddirAvg": "deg",
    **dict.fromkeys(("humidityHigh", "humidityLow", "humidityAvg"), "%"),
    **{f"{what}{of}": "degC" for what in ("temp", "dewpt") for of in ("High", "Low", "Avg")},
    **{
        f"{what}{of}": "degC"
        for what in ("windchill", "heatindex")
        for of in ("High", "Low", "Avg")
    },
    **{
        f"{what}{of}": "km/h" for what in ("windspeed", "windgust") for of in ("High", "Low", "Avg")
    },
    **dict.fromkeys(("pressureMax", "pressureMin"), "hPa"),
    "pressureTrend": None,
    "precipRate": "mm/h",
    "precipTotal": "mm",
}
OTHERS = {"stationID", "tz", "obsTimeUtc", "obsTimeLocal", "epoch", "lat", "lon", "qcStatus"}


class Params(CollectOptions):
    """Which stations are collected, and how finely."""

    base_url: str = Field(default="https://api.weather.com", validate_default=True)
    stations: tuple[str, ...] = Field(default=(), description="their ids, as KNCDURHA123")
    history: Literal["hourly", "all"] = Field(
        default="hourly", description="hourly summaries, or each observation (about 5 minutes)"
    )

    @field_validator("stations")
    @classmethod
    def _ids(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return names.checked(value)


def credentials(params: Params) -> Credentials:
    """Return how requests are signed: the service takes the key in the address only."""
    where = "make one at wunderground.com/member/api-keys"
    return Credentials((KEY,), where, in_query(KEY, "apiKey"))


def parts(params: Params) -> tuple[str, ...]:
    """Return the stations."""
    return names.some(params.stations, "stations")


def documents(
    client: Client, params: Params, part: str, first: date, last: date
) -> Iterator[tuple[date | None, str, dict[str, Any]]]:
    """Yield a station's observations of a day; the day is the station's own, as the service's is.

    Raises:
        AnswerError: the observations are not in metric units.
    """
    query: Query = {
        "stationId": part,
        "date": first.strftime("%Y%m%d"),
        "format": "json",
        "units": "m",
        "numericPrecision": "decimal",
    }
    found, _ = client.rows(f"v2/pws/history/{params.history}", query, "observations")
    for document in found:
        moment, measured = values.instant(document.get("obsTimeUtc")), document.get("metric")
        others = [k for k, v in document.items() if isinstance(v, dict) and k != "metric"]
        if not isinstance(measured, dict) and others:
            raise AnswerError(
                f"station {part}, {first}: asked for metric units, found {', '.join(others)}"
            )
        if moment is None or not isinstance(measured, dict):
            yield None, "", document
        else:
            yield first, values.moment(moment), document


def origin(params: Params, source: Path | None) -> str:
    """Return the sha256 of what was collected."""
    return collecting.digest(source)


def fetch(params: Params, source: Path | None, folder: Path) -> None:
    """Copy what was collected, as it is."""
    collecting.copy(source, folder)


def read(raw: Path, params: Params, table: Table | None) -> Reading:
    """Return one row an observation: station, time (UTC) and measurements, with their units."""
    unknown: set[str] = set()

    def row(moment: str, document: dict[str, Any]) -> tuple:
        found = {**document, **document["metric"]}
        unknown.update(k for k in found if k not in UNITS and k not in OTHERS and k != "metric")
        return moment, *(values.number(found.get(k)) for k in UNITS)

    frame = days.table({s: raw / s for s in parts(params)}, STATION, list(UNITS), row)
    lacking = [pl.lit(None, pl.Float64).alias(n) for n in UNITS if n not in frame.columns]
    frame = frame.with_columns(lacking).select(STATION, TIME, *UNITS)
    if frame.is_empty():
        raise DataError(f"no observations of {', '.join(params.stations)}")
    notes = [f"not known here, and left out: {', '.join(sorted(unknown))}"] if unknown else []
    notes += days.notes(raw, parts(params))
    about = About("Weather Underground", collecting.digest(raw), "Weather Underground PWS history")
    units = {name: unit for name, unit in UNITS.items() if unit}
    table_ = made.Made(frame, units, notes)
    return made.reading(table_, about, table, {TIME: "time", STATION: "group"}, params.licence)
