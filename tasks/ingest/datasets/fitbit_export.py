"""Daily activity and sleep of Fitbit users, as Fitabase exports them: one row a person and day.

`ingest.path`: a folder with the two CSV files, or a pattern that names them; they are told apart by
their columns (ActivityDate; SleepDay). Not for the exports by the minute: those are `sensor_table`.
"""

import gzip
import re
from pathlib import Path

import polars as pl
from pydantic import Field

from tasks.core.counting import counted
from tasks.core.errors import DataError
from tasks.core.plugins import PluginParams
from tasks.core.schema import ROW, Table
from tasks.ingest import conversion, several
from tasks.ingest.encoding import to_utf8
from tasks.ingest.options import ReadOptions
from tasks.ingest.raw import UNPARSED
from tasks.ingest.reading import About, Reading, read_raw
from tasks.ingest.sensors import made

ORIGIN = "file"
FOLDER = True
LIBRARIES = ("polars",)
SUFFIXES = (".csv", ".csv.gz")
PERSON, DAY = "person", "day"
HEADER = 4096  # bytes that hold the line of names
BEFORE = 5  # lines among which it is: `sep=;` may come before it
DAYS = {"ActivityDate": "activity", "SleepDay": "sleep"}
FORMS = ("%m/%d/%Y", "%m/%d/%Y %I:%M:%S %p")  # what Fitabase writes: month first
ISO = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")  # what a spreadsheet makes of it
BAD = {PERSON: pl.String, DAY: pl.Datetime("us"), **UNPARSED}
KM = ("TotalDistance", "TrackerDistance", "LoggedActivitiesDistance")
UNITS = {
    **dict.fromkeys((*KM, "VeryActiveDistance", "ModeratelyActiveDistance"), "km"),
    **dict.fromkeys(("LightActiveDistance", "SedentaryActiveDistance"), "km"),
    **dict.fromkeys(("VeryActiveMinutes", "FairlyActiveMinutes", "LightlyActiveMinutes"), "min"),
    **dict.fromkeys(("SedentaryMinutes", "TotalMinutesAsleep", "TotalTimeInBed"), "min"),
    "Calories": "kcal",
}


class Params(PluginParams):
    """Which of the two files must be there."""

    sleep: bool = Field(default=True, description="whether the sleep file is joined")
    licence: str | None = Field(default=None, description="the licence of the data, for the record")


def origin(params: Params, source: Path | None) -> str:
    """Return the sha256 of the export's files."""
    return several.digest(_files(source))


def fetch(params: Params, source: Path | None, folder: Path) -> None:
    """Copy the export's files as they are; other files beside them stay where they are."""
    several.copy(_files(source), folder)


def read(raw: Path, params: Params, table: Table | None) -> Reading:
    """Return one row a person and day on which there is anything, sorted; with units.

    Exact repeats of a row are kept once and told, with their rows. What is no number is for the
    quarantine, with its file and row.

    Raises:
        DataError: a file lacks, or a day is none.
    """
    files = _files(raw)
    notes: list[str] = []
    found: dict[str, list[pl.DataFrame]] = {"activity": [], "sleep": []}
    bad = [pl.DataFrame(schema=BAD)]
    for path in files:
        what, frame = _days(path, notes, bad)
        found[what].append(frame)
    if not found["activity"]:
        raise DataError("no file of daily activity (a column ActivityDate)")
    if params.sleep and not found["sleep"]:
        raise DataError(
            "no file of sleep (a column SleepDay) beside that of activity; to go on without: "
            "ingest.options.sleep: false"
        )
    frame = _one(found["activity"], "activity", notes)
    if params.sleep:
        sleep = _one(found["sleep"], "sleep", notes)
        both = len(frame.join(sleep, on=[PERSON, DAY], how="semi"))
        notes.append(f"{both} days have activity and sleep, of {len(frame)} and {len(sleep)}")
        frame = frame.join(
            sleep, on=[PERSON, DAY], how="full", coalesce=True, maintain_order="left_right"
        )
    frame = frame.sort(PERSON, DAY)
    about = About(several.words(files), several.digest(files), "Fitbit, exported by Fitabase")
    table_ = made.Made(frame, UNITS, notes)
    reading = made.reading(table_, about, table, {DAY: "time", PERSON: "group"}, params.licence)
    return reading._replace(unparsed=_unparsed(reading.frame, pl.concat(bad)))


def _files(source: Path | None) -> list[Path]:
    """Return the files of the export among those that a source names."""
    files = [p for p in several.given(source, SUFFIXES) if _kind(p) is not None]
    if not files:
        raise DataError(
            f"{source}: no export of Fitabase: expected CSV files with the columns Id and "
            "ActivityDate or SleepDay"
        )
    return files


def _kind(path: Path) -> str | None:
    """Return the name of a file's column of days, None where it is another file."""
    with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as stream:
        start = stream.read(HEADER)
    try:
        text = to_utf8(start, path.name).content.decode()
    except DataError:  # cut within a letter, or no text at all
        text = start.decode("utf-8-sig", "replace")
    for line in text.splitlines()[:BEFORE]:
        header = {name.strip().strip('"') for name in re.split(r"[,;\t]", line)}
        if found := next((day for day in DAYS if {day, "Id"} <= header), None):
            return found
    return None


def _days(path: Path, notes: list[str], bad: list[pl.DataFrame]) -> tuple[str, pl.DataFrame]:
    """Return which file it is, and its rows: person, day, numbers; cells that are none go to `bad`.

    Raises:
        DataError: a day is none, or a row has too many or too few fields.
    """
    options = ReadOptions()
    raw = read_raw(path, options)
    notes += [f"{path.name}: {note}" for note in raw.notes]
    frame = raw.table.collect()
    column = next(day for day in DAYS if day in frame.columns)
    if len(raw.ragged):
        rows = ", ".join(map(str, raw.ragged[ROW].head(5)))
        raise DataError(f"{path.name}: rows with too many or too few fields: {rows}")
    text = pl.col(column).str.strip_chars()
    day = pl.coalesce(*(text.str.to_datetime(form, strict=False) for form in (*FORMS, *ISO)))
    keys = frame.select(
        ROW, pl.col("Id").str.strip_chars().alias(PERSON), day.dt.truncate("1d").alias(DAY)
    )
    wrong = frame.filter(keys[DAY].is_null()).head(1)
    if len(wrong):
        raise DataError(
            f"{path.name}: {column} in row {wrong[ROW][0]}: expected a day like 4/12/2016 (month "
            f"first) or 2016-04-12, found {wrong[column][0]!r:.40}"
        )
    cells = frame.drop(ROW, "Id", column)
    comma = raw.format["delimiter"] != "," and conversion.decimal_comma(cells)
    numbers = []
    for cell in cells:
        found = conversion.typed(cell, "float", options, comma, label=False)
        numbers.append(found.values)
        if marks := {mark: count for mark, count in found.missing.items() if mark}:
            notes.append(f"{path.name}: {cell.name}: taken for missing: {marks}")
        if found.unparsed.any():
            part = keys.with_columns(
                pl.lit(cell.name).alias("column"),
                cell.alias("value"),
                pl.format("not a number: {} in row {}", pl.lit(path.name), ROW).alias("reason"),
            ).filter(found.unparsed)
            bad.append(part.select(*BAD))
            first = part.row(0, named=True)
            notes.append(
                f"{path.name}: {cell.name}: {counted(len(part), 'value is', 'values are')} no "
                f"number: {first['value']!r:.40} (row {first[ROW]}); quarantine"
            )
    frame = keys.with_columns(numbers)
    repeated = frame.filter(~pl.struct(pl.exclude(ROW)).is_first_distinct())[ROW].to_list()
    if repeated:
        notes.append(
            f"{path.name}: {len(repeated)} rows repeat another exactly, and are kept once: rows "
            f"{', '.join(map(str, repeated[:10]))}"
        )
    return DAYS[column], frame.filter(~pl.col(ROW).is_in(repeated)).drop(ROW)


def _one(frames: list[pl.DataFrame], what: str, notes: list[str]) -> pl.DataFrame:
    """Return the rows of several files of a kind, one a person and day; the first counts."""
    frame = pl.concat(frames, how="diagonal").unique(maintain_order=True)
    first = frame.unique([PERSON, DAY], keep="first", maintain_order=True)
    if len(first) < len(frame):
        notes.append(
            f"{what}: {len(frame) - len(first)} rows are of a person and day that another row is "
            "of, with other values: the first counts, the others are left out"
        )
    return first


def _unparsed(frame: pl.DataFrame, bad: pl.DataFrame) -> pl.DataFrame:
    """Return the bad cells with their rows in the table; of rows that another stands for none."""
    parts = [pl.DataFrame(schema=UNPARSED)]
    for (column,), cells in bad.group_by("column", maintain_order=True):
        if column in frame.columns:
            lacking = frame.filter(pl.col(str(column)).is_null()).select(ROW, PERSON, DAY)
            joined = lacking.join(cells.drop(ROW), on=[PERSON, DAY])
            parts.append(joined.select(*UNPARSED).cast({ROW: pl.UInt32}))
    return pl.concat(parts).sort(ROW, "column")
