"""Air quality devices of TSI (BlueSky, AirAssure), through the telemetry of TSI Link.

Collected by `temper collect`; TSI_CLIENT_ID and TSI_CLIENT_SECRET stand in the environment. Not for
an export of that service: that is `sensor_table`.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from tasks.core.errors import DataError
from tasks.core.schema import Table
from tasks.ingest.reading import About, Reading
from tasks.ingest.remote import collecting, days, values
from tasks.ingest.remote import parts as names
from tasks.ingest.remote.client import Client, Query
from tasks.ingest.remote.credentials import Credentials, bearer
from tasks.ingest.remote.errors import AnswerError
from tasks.ingest.remote.options import CollectOptions
from tasks.ingest.sensors import made

ORIGIN = "collected"
FOLDER = True
LIBRARIES = ("polars",)
ID, SECRET, SESSION = "TSI_CLIENT_ID", "TSI_CLIENT_SECRET", "session"
WINDOW_DAYS = 7
TIME, DEVICE = days.TIME, "device"
FIELDS = {  # the flat format's: (column, unit)
    "temperature": ("temperature_c", "degC"),
    "rh": ("humidity_percent", "%"),
    **{f"mcpm{size}": (f"pm{size.replace('x', '_')}_ug_m3", "ug/m3") for size in ("1x0", "2x5")},
    **{f"mcpm{size}": (f"pm{size.replace('x', '_')}_ug_m3", "ug/m3") for size in ("4x0", "10")},
    "mcpm2x5_aqi": ("pm2_5_aqi", None),
    "mcpm10_aqi": ("pm10_aqi", None),
    **{
        f"ncpm{size}": (f"particles_{size.replace('x', '_')}_cm3", "1/cm3")
        for size in ("0x5", "1x0", "2x5", "4x0", "10")
    },
    "tpsize": ("typical_particle_um", "um"),
    "co2_ppm": ("co2_ppm", "ppm"),
    "co_ppm": ("co_ppm", "ppm"),
    "baro_inhg": ("pressure_inhg", "inHg"),
    "o3_ppb": ("o3_ppb", "ppb"),
    "no2_ppb": ("no2_ppb", "ppb"),
    "so2_ppb": ("so2_ppb", "ppb"),
    "ch2o_ppb": ("formaldehyde_ppb", "ppb"),
    "voc_mgm3": ("voc_mg_m3", "mg/m3"),
}
OTHERS = {  # what else a record holds: of the account, the place and the device's health
    *("account_id", "cloud_account_id", "cloud_device_id", "cloud_timestamp", "device_id"),
    *("fanspd", "is_indoor", "is_public", "latitude", "longitude", "metadata"),
    "location",
    "model",
    *("serial", "system_status", "system_status_int", "timestamp", "friendly_name"),
}


class Params(CollectOptions):
    """Which devices are collected."""

    base_url: str = Field(
        default="https://api-prd.tsilink.com/api/v3/external", validate_default=True
    )
    devices: tuple[str, ...] = Field(default=(), description="their ids in TSI Link")

    @field_validator("devices")
    @classmethod
    def _ids(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return names.checked(value)


def credentials(params: Params) -> Credentials:
    """Return how a session is opened and requests are signed with it."""
    where = "make an application at tsilink.com, Developers"
    return Credentials((ID, SECRET), where, bearer(SESSION), _log_in, SESSION)


def _log_in(client: Client) -> str:
    form = {"client_id": client.secrets[ID], "client_secret": client.secrets[SECRET]}
    path = "oauth/client_credential/accesstoken"
    answer = client.post(path, {"grant_type": "client_credentials"}, form)
    token = answer.get("access_token")
    if not isinstance(token, str) or not token:
        raise AnswerError(f"{client.base}/{path}: an answer without an access_token")
    return token


def parts(params: Params) -> tuple[str, ...]:
    """Return the devices."""
    return names.some(params.devices, "devices")


def documents(
    client: Client, params: Params, part: str, first: date, last: date
) -> Iterator[tuple[date | None, str, dict[str, Any]]]:
    """Yield a device's records of a window, in the flat format; days are those of UTC.

    Raises:
        AnswerError: none of the records has a measurement that is known here.
    """
    end = last + timedelta(days=1)
    query: Query = {
        "telem[]": list(FIELDS),  # what is not named is left out of the answer
        "device_id": part,
        "start_date": f"{first}T00:00:00Z",
        "end_date": f"{end}T00:00:00Z",
    }
    found, _ = client.rows("telemetry/flat-format", query, None)
    if found and not any(key in FIELDS for document in found for key in document):
        raise AnswerError(
            f"device {part}, {first}: records of another format: expected {', '.join(FIELDS)[:60]} "
            f"…, found {', '.join(sorted(found[0]))[:120]}"
        )
    for document in found:
        moment = values.instant(document.get("timestamp") or document.get("cloud_timestamp"))
        if moment is None:
            yield None, "", document
        elif first <= moment.date() <= last:
            yield moment.date(), values.moment(moment), document


def origin(params: Params, source: Path | None) -> str:
    """Return the sha256 of what was collected."""
    return collecting.digest(source)


def fetch(params: Params, source: Path | None, folder: Path) -> None:
    """Copy what was collected, as it is."""
    collecting.copy(source, folder)


def read(raw: Path, params: Params, table: Table | None) -> Reading:
    """Return one row a record: device, time (UTC) and measurements, with their units.

    What no device of these measures has no column.
    """
    unknown: set[str] = set()
    numbers = [name for name, _ in FIELDS.values()]
    places, nothing = {key: at for at, key in enumerate(FIELDS, 1)}, [None] * len(FIELDS)

    def row(moment: str, document: dict[str, Any]) -> list:
        found: list = [moment, *nothing]
        for key, value in document.items():
            if (place := places.get(key)) is not None:
                found[place] = values.number(value)
            elif key not in OTHERS:
                unknown.add(key)
        return found

    frame = days.table({d: raw / d for d in parts(params)}, DEVICE, numbers, row)
    if frame.is_empty():
        raise DataError(f"no records of {', '.join(params.devices)}")
    notes = [f"not known here, and left out: {', '.join(sorted(unknown))}"] if unknown else []
    notes += days.notes(raw, parts(params))
    about = About("TSI Link", collecting.digest(raw), "TSI Link telemetry")
    units = {name: unit for name, unit in FIELDS.values() if unit and name in frame.columns}
    table_ = made.Made(frame, units, notes)
    return made.reading(table_, about, table, {TIME: "time", DEVICE: "group"}, params.licence)
