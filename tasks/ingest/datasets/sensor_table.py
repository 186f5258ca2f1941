"""Readings of sensors: CSV, CSV.gz, Parquet or Arrow; one file or many, wide or long.

`ingest.path`: a file, a folder, or a pattern (`logs/2025-*.csv`). The rows stay as they are:
sorting, duplicates, sentinels, gaps and units are for the clean steps. Not for a table without
times: that is `table`.
"""

from pathlib import Path

from pydantic import Field, model_validator

from tasks.core.errors import DataError
from tasks.core.schema import Role, Table, Type, by_role
from tasks.ingest import several
from tasks.ingest.options import ReadOptions
from tasks.ingest.raw import Raw
from tasks.ingest.reading import About, Reading, read_raw, settle
from tasks.ingest.sensors import clocks, mixed, shapes, units

ORIGIN = "file"
FOLDER = True
LIBRARIES = ("polars",)
SUFFIXES = (".csv", ".csv.gz", ".txt", ".tsv", ".parquet", ".arrow", ".feather")
SENSOR = "sensor"


class Params(ReadOptions):
    """Which columns are the clock and the sensor, and what is not to be found out."""

    time: str | tuple[str, ...] | None = Field(
        default=None,
        description="the column of times; or several: [year, month, day, hour], [date, clock]",
    )
    epoch: clocks.Epoch | None = Field(
        default=None, description="the times are numbers of these units since 1970"
    )
    sensor: str | None = Field(default=None, description="the column that tells sensors apart")
    sensor_from_file: bool = Field(
        default=False, description="each file is one sensor, named like the file"
    )
    name_column: str | None = Field(
        default=None, description="long tables: the column that says what a value is of"
    )
    value_column: str | None = Field(default=None, description="long tables: the values")
    unit_column: str | None = Field(
        default=None,
        description="long tables: the column that says each value's unit; where one name has "
        "several, its values become those of `units`",
    )
    units: dict[str, str] = Field(
        default={}, description="column: unit, as degF; those that a name states need none"
    )
    leave_out: tuple[str, ...] = Field(default=(), description="columns that are not read")

    @model_validator(mode="after")
    def _complete(self) -> "Params":
        if (self.name_column is None) != (self.value_column is None):
            raise ValueError("name_column and value_column belong together (a long table)")
        if isinstance(self.time, tuple) and not 1 <= len(self.time) <= len(clocks.PARTS):
            raise ValueError(f"time: one column, or {', '.join(clocks.PARTS)} in this order")
        if self.unit_column and self.name_column is None:
            raise ValueError("unit_column belongs to a long table: name_column, value_column")
        if self.name_column and self.time is None:
            raise ValueError("a long table needs `time`: the column of times")
        if self.epoch and not isinstance(self.time, str):
            raise ValueError("epoch needs `time`: the one column of numbers")
        if self.sensor and self.sensor_from_file:
            raise ValueError("either sensor or sensor_from_file")
        return self


def origin(params: Params, source: Path | None) -> str:
    """Return the sha256 of the files."""
    return several.digest(several.given(source, SUFFIXES))


def fetch(params: Params, source: Path | None, folder: Path) -> None:
    """Copy the files as they are."""
    several.copy(several.given(source, SUFFIXES), folder)


def read(raw: Path, params: Params, table: Table | None) -> Reading:
    """Return the typed table: a column of role time, one of role group where there are sensors.

    Raises:
        DataError: no column holds times, or one that params name is not there.
    """
    files = several.given(raw, SUFFIXES)
    name = several.words(files)
    sensor = SENSOR if params.sensor_from_file else params.sensor
    found = shapes.stacked(
        {file.name: read_raw(file, params, table) for file in files},
        SENSOR if params.sensor_from_file else None,
    )
    found, clock, told = _shaped(found, params, sensor)
    about = About(name, several.digest(files), f"file {name}")
    reading = settle(found, about, table, params, nan_is_missing=True)  # a sensor's gap
    roles: dict[str, Role] = {clock: "time"} if clock else {}
    if sensor:
        roles[sensor] = "group"
    stated = {column: units.by_name(column) for column in reading.columns}
    known = {column: unit for column, unit in stated.items() if unit} | told | params.units
    reading = units.described(reading, table, known, roles)
    if clock and reading.columns[clock].type != "datetime":
        raise DataError(
            f"{name}: column {clock!r} holds {reading.columns[clock].type}, expected times; for "
            "numbers since 1970 state ingest.options.epoch"
        )
    if not by_role(reading.columns, "time"):
        raise DataError(
            f"{name}: no column of times found. State it: ingest.options.time (and epoch where it "
            "holds numbers)"
        )
    return reading


def _shaped(
    found: Raw, params: Params, sensor: str | None
) -> tuple[Raw, str | None, dict[str, str]]:
    """Return the columns with one clock, wide, without those left out; the clock's name, and units
    that a long table states.
    """
    columns, notes = found.table, list(found.notes)
    unknown = [c for c in (*params.leave_out, *params.units) if c not in found.names]
    if unknown and not params.name_column:
        raise DataError(f"ingest.options: no columns {', '.join(unknown)} in the file")
    if params.leave_out:
        columns = columns.drop(params.leave_out)
        notes.append(f"left out as params say: {', '.join(params.leave_out)}")
    clock = None
    if params.time is not None:
        names = (params.time,) if isinstance(params.time, str) else params.time
        columns, clock = clocks.one(columns, names, params.epoch, found.text, notes)
    types: dict[str, Type] = {clock: "datetime"} if clock and found.text else {}
    found = found._replace(table=columns, notes=notes, types=types)
    told: dict[str, str] = {}
    if params.name_column and params.value_column and clock:
        if params.unit_column:
            named = (params.name_column, params.value_column, params.unit_column)
            frame, told, said = mixed.one_a_name(found.table.collect(), *named, params.units)
            found = found._replace(table=frame.lazy(), notes=[*found.notes, *said])
        keys = [clock, sensor] if sensor else [clock]
        found = shapes.wide(found, keys, params.name_column, params.value_column)
    return found, clock, told
