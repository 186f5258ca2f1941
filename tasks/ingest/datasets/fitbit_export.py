"""Daily activity and sleep of Fitbit users, as Fitabase exports them: one row a person and day.

`ingest.path`: a folder with the two CSV files, or a pattern that names them; they are told apart by
their columns (ActivityDate; SleepDay). Not for the exports by the minute: those are `sensor_table`.
"""

import gzip
from pathlib import Path

import polars as pl
from pydantic import Field

from tasks.core.errors import DataError
from tasks.core.plugins import PluginParams
from tasks.core.schema import ROW, Table
from tasks.ingest import several
from tasks.ingest.options import ReadOptions
from tasks.ingest.reading import About, Reading, read_raw
from tasks.ingest.sensors import made

ORIGIN = "file"
FOLDER = True
LIBRARIES = ("polars",)
SUFFIXES = (".csv", ".csv.gz")
PERSON, DAY = "person", "day"
HEADER = 4096  # bytes that hold the line of names
DAYS = {"ActivityDate": "activity", "SleepDay": "sleep"}
FORMS = ("%m/%d/%Y", "%m/%d/%Y %I:%M:%S %p")  # what Fitabase writes: month first
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

    Exact repeats of a row are kept once and told, with their rows.
    """
    files = _files(raw)
    notes: list[str] = []
    found: dict[str, list[pl.DataFrame]] = {"activity": [], "sleep": []}
    for path in files:
        what, frame = _days(path, notes)
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
    return made.reading(table_, about, table, {DAY: "time", PERSON: "group"}, params.licence)


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
        line = stream.readline(HEADER).decode("utf-8-sig", "replace")
    header = {name.strip().strip('"') for name in line.split(",")}
    return next((day for day in DAYS if {day, "Id"} <= header), None)


def _days(path: Path, notes: list[str]) -> tuple[str, pl.DataFrame]:
    """Return which file it is, and its rows: person, day, numbers.

    Raises:
        DataError: a day or a number is none.
    """
    raw = read_raw(path, ReadOptions())
    notes += [f"{path.name}: {note}" for note in raw.notes]
    column = next(day for day in DAYS if day in raw.frame.columns)
    if len(raw.ragged):
        rows = ", ".join(map(str, raw.ragged[ROW].head(5)))
        raise DataError(f"{path.name}: rows with too many or too few fields: {rows}")
    text = pl.col(column).str.strip_chars()
    day = pl.coalesce(*(text.str.to_datetime(form, strict=False) for form in FORMS))
    values = [c for c in raw.frame.columns if c not in (ROW, "Id", column)]
    frame = raw.frame.select(
        ROW,
        pl.col("Id").str.strip_chars().alias(PERSON),
        day.dt.truncate("1d").alias(DAY),
        *(pl.col(c).str.strip_chars().replace("", None).cast(pl.Float64) for c in values),
    )
    wrong = frame.filter(pl.col(DAY).is_null())[ROW].to_list()
    if wrong:
        raise DataError(
            f"{path.name}: {column} in row {wrong[0]}: expected a day like 4/12/2016 (month first)"
        )
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
