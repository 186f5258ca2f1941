"""Documents of the Oura API v2 in JSON files: an export, or what another program has fetched.

`ingest.path`: a JSON file with an object of endpoints (`{"sleep": [...], "daily_sleep": {"data":
[...]}}`), or a folder of files named by endpoint (`sleep.json`). One person's; for several make a
workload each.
"""

import json
from collections.abc import Iterator
from datetime import date
from operator import itemgetter
from pathlib import Path
from typing import Any

from pydantic import Field

from tasks.core.counting import counted
from tasks.core.errors import DataError
from tasks.core.plugins import PluginParams, unknown
from tasks.core.schema import Table
from tasks.ingest import several
from tasks.ingest.oura import fields, tables
from tasks.ingest.oura.days import Documents
from tasks.ingest.reading import About, Reading
from tasks.ingest.remote.values import day, instant

ORIGIN = "file"
FOLDER = True
LIBRARIES = ("polars",)
SUFFIXES = (".json",)
ALIASES = {"heartrates": "heartrate", "heart_rate": "heartrate", "sessions": "session"}
ALIASES |= {"workouts": "workout"}
Dated = list[tuple[date, dict[str, Any]]]


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
    found: dict[str, Dated] = {}
    left: dict[str, int] = {}
    unsound: dict[str, list[str]] = {}
    for path in files:
        content = _parsed(path)
        named = isinstance(content, dict) and not {"data", "id"} & set(content)
        for key, value in (content if named else {path.stem: content}).items():
            endpoint = ALIASES.get(key, key)
            if endpoint not in fields.ENDPOINTS:
                left[key] = left.get(key, 0) + 1
                continue
            for document in _flat(value):
                if of := _day(document, endpoint):
                    found.setdefault(endpoint, []).append((of, document))
                else:
                    unsound.setdefault(endpoint, []).append(f"{path.name}: {str(document)[:80]}")
    if not found:
        keys = tuple(left) or ("nothing",)
        where = several.words(files)
        raise DataError(
            "\n".join(_unsound(name, each) for name, each in unsound.items())
            or f"{where}: no documents of Oura's: "
            + unknown(f"endpoint {keys[0]!r}", keys[0], fields.ENDPOINTS)
        )
    notes = [f"endpoints that are not read: {', '.join(sorted(left))}"] if left else []
    notes += [_unsound(name, each) for name, each in unsound.items()]
    return {name: _distinct(name, each, notes) for name, each in found.items()}, notes


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes(), parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path.name}: not readable as JSON ({str(error)[:80]}); cut off? Export it again"
        ) from None


def _flat(value: Any) -> Iterator[Any]:
    """Yield the documents of a value: one, a list, `{"data": list}`, or `single` and `list`."""
    if isinstance(value, list):
        for item in value:
            yield from [item] if item is None else _flat(item)
    elif isinstance(value, dict) and {"data", "single", "list"} & set(value):
        for key in ("data", "single", "list"):
            yield from _flat(value.get(key))
    elif value is not None:
        yield value


def _day(document: Any, endpoint: str) -> date | None:
    """Return the day of a document, None of what is none or states none."""
    if not isinstance(document, dict):
        return None
    if endpoint == "heartrate":
        moment = instant(document.get("timestamp"))
        return moment.date() if moment else None
    return day(document.get("day"))


def _unsound(endpoint: str, documents: list[str]) -> str:
    key = "timestamp" if endpoint == "heartrate" else "day"
    return (
        f"{endpoint}: {counted(len(documents), 'document')} without a sound {key!r} left out; the "
        f"first: {documents[0]}"
    )


def _distinct(endpoint: str, documents: Dated, notes: list[str]) -> Dated:
    """Return the documents in order of their days, ids aside each content once."""
    seen: dict[str, tuple[date, dict[str, Any]]] = {}
    for day_, document in documents:
        content = {key: value for key, value in document.items() if key != "id"}
        seen.setdefault(json.dumps(content, sort_keys=True), (day_, document))
    if len(seen) < len(documents):
        notes.append(f"{endpoint}: {len(documents) - len(seen)} documents repeat another: left out")
    return sorted(seen.values(), key=itemgetter(0))
