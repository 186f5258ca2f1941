"""Documents of the Oura API v2 in JSON files: an export, or what another program has fetched.

`ingest.path`: a JSON file with an object of endpoints (`{"sleep": [...], "daily_sleep": {"data":
[...]}}`), or a folder of files named by endpoint (`sleep.json`). One person's; for several make a
workload each.
"""

import json
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Field

from tasks.core.errors import DataError
from tasks.core.plugins import PluginParams, unknown
from tasks.core.schema import Table
from tasks.ingest import several
from tasks.ingest.oura import fields, tables
from tasks.ingest.oura.days import Documents
from tasks.ingest.oura.values import EARLIEST, instant
from tasks.ingest.reading import About, Reading

ORIGIN = "file"
FOLDER = True
LIBRARIES = ("polars",)
SUFFIXES = (".json",)
ALIASES = {"heartrates": "heartrate", "heart_rate": "heartrate", "sessions": "session"}
ALIASES |= {"workouts": "workout"}


class Params(PluginParams):
    """Which table is made of the documents."""

    table: tables.Kind = Field(
        default="daily", description="daily: a row a day; heartrate: a row a heart rate"
    )
    licence: str | None = Field(default=None, description="the licence of the data, for the record")


def origin(params: Params, source: Path | None) -> str:
    """Return the sha256 of the files."""
    return several.digest(several.given(source, SUFFIXES))


def fetch(params: Params, source: Path | None, folder: Path) -> None:
    """Copy the files as they are; what is no JSON of endpoints is refused before."""
    files = several.given(source, SUFFIXES)
    documents(files)
    several.copy(files, folder)


def read(raw: Path, params: Params, table: Table | None) -> Reading:
    """Return the typed table of the documents; roles and units stated."""
    files = several.given(raw, SUFFIXES)
    found, notes = documents(files)
    name = several.words(files)
    about = About(name, several.digest(files), f"Oura documents in {name}")
    reading = tables.reading(found, params.table, about, table, params.licence)
    reading.source["notes"][:0] = notes
    return reading


def documents(files: list[Path]) -> tuple[Documents, list[str]]:
    """Return the documents of each endpoint with their days, and what was left out.

    Raises:
        DataError: a file is no JSON, or none has documents of a known endpoint.
    """
    found: Documents = {}
    left: dict[str, int] = {}
    for path in files:
        content = _parsed(path)
        named = isinstance(content, dict) and not {"data", "id"} & set(content)
        for key, value in (content if named else {path.stem: content}).items():
            endpoint = ALIASES.get(key, key)
            if endpoint in fields.ENDPOINTS:
                found.setdefault(endpoint, []).extend(_dated(value, endpoint, path.name))
            else:
                left[key] = left.get(key, 0) + 1
    if not any(found.values()):
        keys = tuple(left) or ("nothing",)
        raise DataError(
            f"{several.words(files)}: no documents of Oura's: "
            + unknown(f"endpoint {keys[0]!r}", keys[0], fields.ENDPOINTS)
        )
    notes = [f"endpoints that are not read: {', '.join(sorted(left))}"] if left else []
    return {name: _distinct(name, each, notes) for name, each in found.items()}, notes


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes(), parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path.name}: not readable as JSON ({str(error)[:80]}); cut off? Export it again"
        ) from None


def _dated(value: Any, endpoint: str, name: str) -> list[tuple[date, dict[str, Any]]]:
    """Return the documents of a value: one, a list, `{"data": list}`, or `single` and `list`."""
    if isinstance(value, list):
        return [each for item in value for each in _dated(item, endpoint, name)]
    if isinstance(value, dict) and {"data", "single", "list"} & set(value):
        inner = [value.get(key) or [] for key in ("data", "single", "list")]
        return [each for item in inner for each in _dated(item, endpoint, name)]
    try:
        if endpoint == "heartrate":
            moment = instant(value["timestamp"])
            if moment == EARLIEST:
                raise ValueError
            return [(moment.date(), value)]
        return [(date.fromisoformat(value["day"]), value)]
    except (TypeError, KeyError, ValueError):
        key = "timestamp" if endpoint == "heartrate" else "day"
        raise DataError(
            f"{name}: a document of {endpoint} without a sound {key!r}: {str(value)[:80]}"
        ) from None


def _distinct(
    endpoint: str, documents: list[tuple[date, dict[str, Any]]], notes: list[str]
) -> list[tuple[date, dict[str, Any]]]:
    """Return the documents without those that repeat another's content, ids aside."""
    seen: dict[str, tuple[date, dict[str, Any]]] = {}
    for day, document in documents:
        content = {key: value for key, value in document.items() if key != "id"}
        seen.setdefault(json.dumps(content, sort_keys=True), (day, document))
    if len(seen) < len(documents):
        notes.append(f"{endpoint}: {len(documents) - len(seen)} documents repeat another: left out")
    return list(seen.values())
