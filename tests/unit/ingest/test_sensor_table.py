"""Tables of sensors: wide, long, of many files; and every real file by a few lines of params."""

import math
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from pydantic import ValidationError

from flows.workload import build
from tasks.core.errors import DataError
from tasks.core.plugins import plugin
from tasks.core.schema import ROW, Column, Table
from tasks.ingest.reading import Reading

SHARED = Path(os.environ.get("TEMPER_SHARED") or Path(__file__).parents[4] / "shared")
SERIES = SHARED / "data" / "timeseries"
TABLE = Table(task="regression", target="co2_ppm")
REAL = """
appliances:
  table: {task: regression, target: Appliances}
  ingest:
    dataset: sensor_table
    path: appliances_energy_first80pct.parquet
    options: {units: {Appliances: Wh, lights: Wh, T1: degC, RH_1: "%", T_out: degC}}
occupancy:
  table: {task: regression, target: CO2}
  ingest:
    dataset: sensor_table
    path: occupancy_*.csv.gz
    options: {units: {Temperature: degC, Humidity: "%", Light: lx, CO2: ppm}}
element:
  table: {task: regression, target: co2}
  ingest:
    dataset: sensor_table
    path: awair_element_1min_first80pct.parquet
    options: {units: {temp: degF, co2: ppm, humid: "%", voc: ppb, pm25: ug/m3, pm10: ug/m3}}
omni:
  table: {task: regression, target: co2}
  ingest:
    dataset: sensor_table
    path: awair_omni_room_a.csv
    options: {units: {temp: degC, co2: ppm, humid: "%", voc: ppb, lux: lx, spl_a: dB}}
room:
  table: {task: regression, target: temperature_c}
  ingest:
    dataset: sensor_table
    path: room_climate_location_A_m01.parquet
    options: {time: timestamp_ms, epoch: ms, sensor: node_id, leave_out: [entry_id, t_rel_s]}
beijing:
  table: {task: regression, target: PM2.5}
  ingest:
    dataset: sensor_table
    path: beijing_prsa_aotizhongxin.parquet
    options:
      time: [year, month, day, hour]
      sensor: station
      leave_out: ["No"]
      units: {PM2.5: ug/m3, TEMP: degC, PRES: hPa, RAIN: mm, WSPM: m/s}
air:
  table: {task: regression, target: PM 2.5}
  ingest:
    dataset: sensor_table
    path: durham_tsi_raw_2025-03_04.csv.gz
    options:
      time: timestamp
      sensor: cloud_device_id
      leave_out: [metadata, cloud_account_id, serial, system_status, Device Name]
      units: {PM 2.5: ug/m3, PM 10: ug/m3, tpsize: um}
weather:
  table: {task: regression, target: tempAvg}
  ingest:
    dataset: sensor_table
    path: durham_wu_raw_2025-03_04.csv.gz
    options:
      time: obsTimeUtc
      sensor: stationID
      leave_out: [obsTimeUtc_str, Station Name]
      units: {tempAvg: degC, humidityAvg: "%", pressureMax: hPa, windspeedAvg: km/h}
daily:
  table: {task: regression, target: temperature}
  ingest:
    dataset: sensor_table
    path: durham_wu_daily_2025.csv
    options: {sensor: station, units: {temperature: degF, humidity: "%", pressure_avg: inHg}}
fitbit:
  table: {task: regression, target: TotalMinutesAsleep}
  ingest: {dataset: fitbit_export, path: fitbit_fitabase_*.csv}
"""
EXPECTED = {  # rows, columns, the clock, sensors, first and last time, some types, some units
    "appliances": (15788, 29, "date", None, "2016-01-11 17:00:00", "2016-04-30 08:10:00",
                   {"Appliances": "integer", "T1": "float"}, {"RH_1": "%", "Press_mm_hg": "mmHg"}),
    "occupancy": (10808, 7, "date", None, "2015-02-02 14:19:00", "2015-02-10 09:33:00",
                  {"CO2": "float", "Occupancy": "integer"}, {"CO2": "ppm", "Light": "lx"}),
    "element": (37437, 7, "timestamp", None, "2025-06-05 18:00:58", None,
                {"temp": "float", "co2": "integer"}, {"temp": "degF", "voc": "ppb"}),
    "omni": (28, 9, "time", None, "2025-05-23 23:07:24.088000", None,
             {"temp": "float", "lux": "float"}, {"spl_a": "dB", "temp": "degC"}),
    "room": (8184, 10, "timestamp_ms", ("node_id", 4), "2016-03-15 08:47:28.545000", None,
             {"temperature_c": "float"}, {"temperature_c": "degC", "rel_humidity_pct": "%"}),
    "beijing": (35064, 14, "time", ("station", 1), "2013-03-01 00:00:00", "2017-02-28 23:00:00",
                {"PM2.5": "float", "wd": "category"}, {"PRES": "hPa"}),
    "air": (3353, 21, "timestamp", ("cloud_device_id", 4), "2025-03-01 00:00:02", None,
            {"PM 2.5": "float", "fanspd": "float"}, {"T (C)": "degC", "RH (%)": "%"}),
    "weather": (2562, 15, "obsTimeUtc", ("stationID", 2), "2025-03-01 06:00:00", None,
                {"tempAvg": "float", "winddirAvg": "integer"}, {"pressureMax": "hPa"}),
    "daily": (1119, 5, "day", ("station", 13), "2025-07-04 00:00:00", "2025-10-09 00:00:00",
              {"temperature": "float"}, {"temperature": "degF", "pressure_avg": "inHg"}),
    "fitbit": (687, 18, "day", ("person", 24), "2016-04-12 00:00:00", "2016-05-12 00:00:00",
               {"TotalSteps": "float"}, {"Calories": "kcal", "TotalDistance": "km"}),
}  # fmt: skip


def read(name: str, options: dict[str, Any], table: Table, source: Path, place: Path) -> Reading:
    """Return the reading that a plugin makes of a source, as a run would."""
    module = plugin("dataset", name)
    params = module.Params(**options)
    place.mkdir()
    module.fetch(params, source, place)
    return module.read(place, params, table)


@pytest.mark.skipif(not SERIES.is_dir(), reason="no shared data (TEMPER_SHARED)")
@pytest.mark.parametrize("name", yaml.safe_load(REAL))
def test_every_real_file_by_a_few_lines_of_params(name: str, tmp_path: Path):
    section = yaml.safe_load(REAL)[name]
    (written,) = (part for part in re.split(r"\n(?=\w)", REAL) if part.startswith(f"{name}:"))
    assert len(written.splitlines()) <= 12
    workload = build(name, section)
    assert not workload.problems()
    ingest = workload.ingest
    assert ingest.path
    made = read(
        ingest.dataset, ingest.options, workload.table, SERIES / ingest.path, tmp_path / "raw"
    )
    rows, width, clock, sensors, first, last, types, units = EXPECTED[name]
    assert (len(made.frame), made.frame.width - 1) == (rows, width)
    assert {n for n, c in made.columns.items() if c.role == "time"} == {clock}
    times = made.frame[clock]
    assert times.dtype == pl.Datetime("us")
    assert times.null_count() == 0
    assert str(times.min()) == first
    assert last is None or str(times.max()) == last
    groups = {n for n, c in made.columns.items() if c.role == "group"}
    assert groups == ({sensors[0]} if sensors else set())
    if sensors:
        assert made.frame[sensors[0]].n_unique() == sensors[1]
    assert {n: made.columns[n].type for n in types} == types
    assert {n: made.columns[n].unit for n in units} == units
    assert not len(made.unparsed)


@pytest.mark.skipif(not SERIES.is_dir(), reason="no shared data (TEMPER_SHARED)")
def test_every_real_file_is_among_them():
    named = [section["ingest"]["path"] for section in yaml.safe_load(REAL).values()]
    for path in SERIES.iterdir():
        assert any(path.match(pattern) for pattern in named), path.name


@pytest.mark.skipif(not SERIES.is_dir(), reason="no shared data (TEMPER_SHARED)")
def test_the_repeated_nights_of_the_real_export_are_found(tmp_path: Path):
    table = Table(task="regression", target="TotalMinutesAsleep")
    made = read("fitbit_export", {}, table, SERIES / "fitbit_fitabase_*.csv", tmp_path / "raw")
    (note,) = (n for n in made.source["notes"] if "repeat another exactly" in n)
    raw = pl.read_csv(SERIES / "fitbit_fitabase_sleep_day.csv")
    assert f"{len(raw) - raw.n_unique()} rows" in note
    assert made.frame["TotalMinutesAsleep"].sum() == raw.unique()["TotalMinutesAsleep"].sum()
    assert made.frame.select("person", "day").is_unique().all()


def export_of(folder: Path, mark: str = ",", encoding: str = "utf-8", iso: bool = False) -> Path:
    """Write a small export: cells that are no numbers, one of them in a row that is there twice."""
    form = "%Y-%m-%d" if iso else "%m/%d/%Y"
    days = [datetime(2016, 4, n).strftime(form) for n in range(1, 13)]
    activity = [["7", day, str(100 + n), "5.5"] for n, day in enumerate(days)]
    activity[3][2], activity[4][3] = "n/a", "far"
    activity += [["7", days[5], "many", "5.5"]]
    sleep = [["7", f"{day}{' 00:00:00' if iso else ' 12:00:00 AM'}", "400"] for day in days]
    sleep[6][2] = '"8,163"' if mark == "," else "8,16,3"
    folder.mkdir()
    for name, header, rows in (
        ("activity", ["Id", "ActivityDate", "TotalSteps", "TotalDistance"], activity),
        ("sleep", ["Id", "SleepDay", "TotalMinutesAsleep"], sleep),
    ):
        text = "\n".join(mark.join(row) for row in [header, *rows]) + "\n"
        (folder / f"{name}.csv").write_bytes(text.encode(encoding))
    return folder


@pytest.mark.parametrize(
    ("mark", "encoding", "iso"),
    [(",", "utf-8", False), (";", "utf-8-sig", True), ("\t", "utf-16", False)],
    ids=["as exported", "; and ISO days", "UTF-16"],
)
def test_bad_cells_of_an_export_go_to_quarantine(
    mark: str, encoding: str, iso: bool, tmp_path: Path
):
    folder = export_of(tmp_path / "export", mark, encoding, iso)
    table = Table(task="regression", target="TotalSteps")
    made = read("fitbit_export", {}, table, folder, tmp_path / "raw")
    assert len(made.frame) == 12
    assert made.frame["day"].to_list() == [datetime(2016, 4, n) for n in range(1, 13)]
    assert made.frame["TotalSteps"].to_list() == [*range(100, 103), None, *range(104, 112)]
    value = "8,163" if mark == "," else "8,16,3"
    assert made.unparsed.rows() == [
        (5, "TotalDistance", "far", "not a number: activity.csv in row 5"),
        (7, "TotalMinutesAsleep", value, "not a number: sleep.csv in row 7"),
    ]
    notes = made.source["notes"]
    assert "activity.csv: TotalSteps: taken for missing: {'n/a': 1}" in notes
    assert "activity.csv: TotalDistance: 1 value is no number: 'far' (row 5); quarantine" in notes


def test_a_day_that_is_none_is_told_with_its_file_and_row(tmp_path: Path):
    path = export_of(tmp_path / "export") / "sleep.csv"
    path.write_text(path.read_text().replace("04/03/2016", "someday"))
    words = r"sleep\.csv: SleepDay in row 3: expected a day like .*2016-04-12, found 'someday 12"
    table = Table(task="regression", target="TotalSteps")
    with pytest.raises(DataError, match=words):
        read("fitbit_export", {}, table, path.parent, tmp_path / "raw")


def wide(folder: Path, name: str = "a.csv", shift: int = 0) -> Path:
    """Write a small wide table."""
    rows = [f"2024-01-01 {h:02}:00:00,{20 + h / 10},{400 + h + shift}" for h in range(12)]
    path = folder / name
    path.write_text("clock,temp (°F),co2_ppm\n" + "\n".join(rows) + "\n")
    return path


def test_a_wide_file_needs_nothing(tmp_path: Path):
    made = read("sensor_table", {}, TABLE, wide(tmp_path), tmp_path / "raw")
    assert {n: c.role for n, c in made.columns.items()} == {
        "clock": "time", "temp (°F)": "feature", "co2_ppm": "target",
    }  # fmt: skip
    assert [c.unit for c in made.columns.values()] == [None, "degF", "ppm"]


@pytest.mark.parametrize("binary", [False, True], ids=["csv", "parquet"])
def test_a_target_that_is_nan_is_missing(binary: bool, tmp_path: Path):
    frame = pl.DataFrame(
        {
            "at": [datetime(2024, 1, 1, hour) for hour in range(12)],
            "co2_ppm": [math.nan, *(400.0 + hour for hour in range(11))],
        }
    )
    path = tmp_path / ("t.parquet" if binary else "t.csv")
    (frame.write_parquet if binary else frame.write_csv)(path)
    made = read("sensor_table", {}, TABLE, path, tmp_path / "raw")
    assert made.frame["co2_ppm"].to_list() == [None, *(400 + hour for hour in range(11))]
    marks = made.source["format"]["columns"]["co2_ppm"]["missing_marks"]
    assert marks == {"NaN": 1}


def test_many_files_are_one_table(tmp_path: Path):
    folder = tmp_path / "logs"
    folder.mkdir()
    for index, name in enumerate(("kitchen.csv", "bedroom.csv")):
        wide(folder, name, 100 * index)
    (folder / "notes.md").write_text("not a table")
    made = read("sensor_table", {"sensor_from_file": True}, TABLE, folder, tmp_path / "raw")
    assert made.frame["sensor"].to_list() == ["bedroom"] * 12 + ["kitchen"] * 12
    assert made.frame["co2_ppm"].to_list() == [500 + h for h in range(12)] + [
        400 + h for h in range(12)
    ]
    assert made.frame[ROW].to_list() == list(range(1, 25))
    assert made.columns["sensor"].role == "group"
    assert made.source["origin"] == "file bedroom.csv and 1 more"
    one = read("sensor_table", {}, TABLE, folder / "kit*.csv", tmp_path / "one")
    assert len(one.frame) == 12


def test_rows_that_are_cut_keep_their_place_among_many_files(tmp_path: Path):
    folder = tmp_path / "logs"
    folder.mkdir()
    wide(folder, "a.csv")
    path = wide(folder, "b.csv")
    path.write_text(path.read_text() + "2024-01-01 12:00:00,21\n")
    made = read("sensor_table", {}, TABLE, folder, tmp_path / "raw")
    assert made.unparsed[ROW].to_list() == [25]
    assert made.frame.row(24)[1:] == (None, None, None)


def written(frame: pl.DataFrame, folder: Path, binary: bool) -> Path:
    """Write a long table as CSV, or as Parquet with numbers."""
    path = folder / ("long.parquet" if binary else "long.csv")
    if binary:
        frame.with_columns(pl.col("value").cast(pl.Float64)).write_parquet(path)
    else:
        frame.write_csv(path)
    return path


def long(folder: Path, binary: bool) -> Path:
    """Write a small long table of two sensors: a repeat, a conflict, a value that is none."""
    rows = []
    for hour in range(12):
        for sensor in ("s1", "s2"):
            rows += [[f"2024-01-01 {hour:02}:00:00", sensor, "temp_c", str(20 + hour)]]
            rows += [[f"2024-01-01 {hour:02}:00:00", sensor, "co2_ppm", str(400 + hour)]]
    rows += [rows[0], ["2024-01-01 00:00:00", "s1", "temp_c", "99"]]
    if not binary:
        rows += [["2024-01-01 23:00:00", "s1", "temp_c", "broken"]]
    frame = pl.DataFrame(rows, schema=["at", "id", "what", "value"], orient="row")
    return written(frame, folder, binary)


@pytest.mark.parametrize("binary", [False, True], ids=["csv", "parquet"])
def test_a_long_table_becomes_wide_and_nothing_is_lost(binary: bool, tmp_path: Path):
    options = {"time": "at", "sensor": "id", "name_column": "what", "value_column": "value"}
    made = read("sensor_table", options, TABLE, long(tmp_path, binary), tmp_path / "raw")
    assert made.frame.columns[1:] == ["at", "id", "temp_c", "co2_ppm"]
    assert len(made.frame) == 24 + 1 + (not binary)
    assert made.columns["temp_c"].unit == "degC"
    first = made.frame.filter(pl.col("at") == datetime(2024, 1, 1), pl.col("id") == "s1")
    assert first.select("temp_c", "co2_ppm").rows() == [(20, 400), (99, None)]
    notes = " ".join(made.source["notes"])
    assert "1 rows repeat another exactly" in notes
    assert "1 values stand at a time that has one of this name already" in notes
    assert made.unparsed["value"].to_list() == ([] if binary else ["broken"])


def of_units(folder: Path, binary: bool, odd: str = "degF", value: str = "broken") -> Path:
    """Write a long table whose temperatures have a unit of their own in each row."""
    rows: list[list[str | None]] = []
    for hour in range(24):
        celsius, unit = 20 + hour, odd if hour % 2 else "°C"
        temp = celsius * 1.8 + 32 if hour % 2 else celsius
        rows += [[f"2024-01-01 {hour:02}:00:00", "temp", str(temp), unit]]
        rows += [[f"2024-01-01 {hour:02}:00:00", "co2_ppm", str(400 + hour), "ppm"]]
        rows += [[f"2024-01-01 {hour:02}:00:00", "rain", str(hour / 4), "mm"]]
    rows += [] if binary else [["2024-01-02 00:00:00", "temp", value, "degF"]]
    frame = pl.DataFrame(rows, schema=["at", "what", "value", "unit"], orient="row")
    return written(frame, folder, binary)


LONG = {"time": "at", "name_column": "what", "value_column": "value"}


@pytest.mark.parametrize("binary", [False, True], ids=["csv", "parquet"])
def test_units_that_differ_by_row_become_one(binary: bool, tmp_path: Path):
    options = LONG | {"unit_column": "unit", "units": {"temp": "degC"}}
    made = read("sensor_table", options, TABLE, of_units(tmp_path, binary), tmp_path / "raw")
    temp = made.frame["temp"].drop_nulls().to_list()
    assert temp == pytest.approx([20 + hour for hour in range(24)])
    assert {n: made.columns[n].unit for n in ("temp", "rain", "co2_ppm")} == {
        "temp": "degC",
        "rain": "mm",
        "co2_ppm": "ppm",
    }
    assert f"temp: {12 + (not binary)} values from degF to degC" in made.source["notes"]
    assert made.unparsed["value"].to_list() == ([] if binary else ["broken"])


@pytest.mark.parametrize(
    ("table", "options", "words"),
    [
        ({}, {"unit_column": "unit"}, "temp: values in degF, °C: state a known one in"),
        ({"odd": "hPa"}, {"units": {"temp": "degC"}}, "hPa cannot be converted to degC"),
        ({"value": "70,5"}, {"units": {"temp": "degC"}}, "'70,5' in row 73 is no number"),
        ({}, {"unit_column": "uint"}, "unknown ingest.options.unit_column 'uint'"),
    ],
)
def test_units_that_cannot_become_one_are_an_error(table, options, words, tmp_path: Path):
    path = of_units(tmp_path, False, **table)
    with pytest.raises(DataError, match=words):
        read("sensor_table", LONG | {"unit_column": "unit"} | options, TABLE, path, tmp_path / "r")


def test_units_that_differ_by_row_and_are_not_looked_at_are_told(tmp_path: Path):
    made = read("sensor_table", LONG, TABLE, of_units(tmp_path, True), tmp_path / "raw")
    said = "temp: values in several units by unit (degF, °C), left as they are: state "
    assert f"{said}ingest.options.unit_column: unit" in made.source["notes"]


@pytest.mark.parametrize(
    ("header", "row", "options"),
    [
        ("y,mo,d,h,mi", "2024,1,5,{h},30", {"time": ["y", "mo", "d", "h", "mi"]}),
        ("day,clock", "2024-01-05,{h:02}:30", {"time": ["day", "clock"]}),
        ("at", "{s}", {"time": "at", "epoch": "s"}),
        ("at", "{s}000", {"time": "at", "epoch": "ms"}),
        ("at", "{s}000000000", {"time": "at", "epoch": "ns"}),
        ("at", "2024-01-05T{h:02}:30:00+00:00", {"time": "at"}),
        ("at", "{h:02}:30 05.01.2024", None),
    ],
    ids=["parts", "day and clock", "s", "ms", "ns", "zone", "no time"],
)
@pytest.mark.parametrize("binary", [False, True], ids=["csv", "parquet"])
def test_clocks(binary: bool, header: str, row: str, options: dict | None, tmp_path: Path):
    start = int(datetime(2024, 1, 5, 0, 30).timestamp() - datetime(1970, 1, 1).timestamp())
    rows = [f"{row.format(h=h, s=start + 3600 * h)},{400 + h}" for h in range(12)]
    path = tmp_path / "t.csv"
    path.write_text(f"{header},co2_ppm\n" + "\n".join(rows) + "\n")
    if binary:
        frame = pl.read_csv(path, try_parse_dates=False)
        path = tmp_path / "t.parquet"
        frame.write_parquet(path)
    if options is None:
        with pytest.raises(DataError, match="no column of times found"):
            read("sensor_table", {}, TABLE, path, tmp_path / "raw")
        return
    made = read("sensor_table", options, TABLE, path, tmp_path / "raw")
    (clock,) = (name for name, column in made.columns.items() if column.role == "time")
    assert made.frame[clock].to_list() == [datetime(2024, 1, 5, h, 30) for h in range(12)]
    assert made.frame["co2_ppm"].to_list() == [400 + h for h in range(12)]


def test_a_part_that_is_no_number_goes_to_quarantine(tmp_path: Path):
    path = tmp_path / "t.csv"
    rows = [f"2024,1,{d},{400 + d}" for d in range(1, 13)] + ["2024,13,1,5", "2024,,1,6"]
    path.write_text("y,m,d,co2_ppm\n" + "\n".join(rows) + "\n")
    made = read("sensor_table", {"time": ["y", "m", "d"]}, TABLE, path, tmp_path / "raw")
    assert made.unparsed["value"].to_list() == ["2024-13-01 00:00:00"]
    assert made.frame["time"].null_count() == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"time": "clok"}, "unknown ingest.options.time 'clok'.*Did you mean 'clock'"),
        ({"time": "temp (°F)"}, "holds (text|category), expected times; .*epoch"),
        ({"time": ["temp (°F)", "clock"]}, "no times together"),
        ({"sensor": "room"}, "unknown column 'room'"),
        ({"leave_out": ["room"]}, "no columns room"),
        (
            {"time": "clock", "name_column": "what", "value_column": "co2_ppm"},
            "name_column 'what'",
        ),
    ],
)
def test_options_that_do_not_fit_the_file(options: dict, words: str, tmp_path: Path):
    with pytest.raises(DataError, match=words):
        read("sensor_table", options, TABLE, wide(tmp_path), tmp_path / "raw")


@pytest.mark.parametrize(
    "options",
    [
        {"name_column": "what"},
        {"name_column": "what", "value_column": "value"},
        {"epoch": "ms"},
        {"time": list("abcdefg")},
        {"sensor": "a", "sensor_from_file": True},
    ],
)
def test_options_that_do_not_go_together(options: dict):
    with pytest.raises(ValidationError):
        plugin("dataset", "sensor_table").Params(**options)


def test_what_params_state_of_a_column_counts(tmp_path: Path):
    columns = {
        "clock": Column(role="time"),
        "temp (°F)": Column(unit="degC", role="ignore"),
        "co2_ppm": Column(),
    }
    table = Table(task="regression", target="co2_ppm", columns=columns)
    made = read("sensor_table", {"time": "clock"}, table, wide(tmp_path), tmp_path / "raw")
    assert made.columns["temp (°F)"].unit == "degC"
    assert made.columns["temp (°F)"].role == "ignore"


def test_no_files(tmp_path: Path):
    module = plugin("dataset", "sensor_table")
    for source in (tmp_path, tmp_path / "*.csv", tmp_path / "none.csv"):
        with pytest.raises(DataError, match="expected a file, a folder of files"):
            module.fetch(module.Params(), source, tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        wide(tmp_path / name)
    with pytest.raises(DataError, match=r"several files are named a\.csv"):
        module.fetch(module.Params(), tmp_path, tmp_path / "raw")


FITBIT = {
    "activity.csv": "Id,ActivityDate,TotalSteps\n"
    + "".join(f"77,4/{d}/2016,{d * 100}\n" for d in range(1, 13)),
    "sleep.csv": "Id,SleepDay,TotalMinutesAsleep\n77,4/1/2016 12:00:00 AM,400\n"
    "77,4/2/2016 12:00:00 AM,410\n77,4/2/2016 12:00:00 AM,410\n77,4/13/2016 12:00:00 AM,390\n",
}


def fitbit(folder: Path, **changed: str) -> Path:
    folder.mkdir()
    for name, text in (FITBIT | {f"{k}.csv": v for k, v in changed.items()}).items():
        (folder / name).write_text(text)
    return folder


def test_activity_and_sleep_are_joined_by_person_and_day(tmp_path: Path):
    table = Table(task="regression", target="TotalSteps")
    source = fitbit(tmp_path / "export", other="a,b\n1,2\n")
    made = read("fitbit_export", {}, table, source, tmp_path / "raw")
    assert sorted(p.name for p in (tmp_path / "raw").iterdir()) == ["activity.csv", "sleep.csv"]
    assert len(made.frame) == 13, "a night without activity stays"
    assert made.frame["TotalMinutesAsleep"].to_list()[:3] == [400, 410, None]
    assert made.frame["person"].to_list() == ["77"] * 13
    notes = made.source["notes"]
    assert "sleep.csv: 1 rows repeat another exactly, and are kept once: rows 3" in notes
    assert "2 days have activity and sleep, of 12 and 3" in notes
    alone = read("fitbit_export", {"sleep": False}, table, source, tmp_path / "alone")
    assert "TotalMinutesAsleep" not in alone.columns


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"sleep": "Id,SleepDay,TotalMinutesAsleep\n77,13/1/2016,4\n"}, "month first"),
        ({"sleep": "x,y\n1,2\n"}, "no file of sleep"),
        ({"activity": "x,y\n1,2\n"}, "no file of daily activity"),
        ({"activity": "x,y\n1,2\n", "sleep": "x,y\n1,2\n"}, "no export of Fitabase"),
    ],
)
def test_an_export_that_lacks_something(changed: dict, words: str, tmp_path: Path):
    table = Table(task="regression", target="TotalSteps")
    with pytest.raises(DataError, match=words):
        read("fitbit_export", {}, table, fitbit(tmp_path / "export", **changed), tmp_path / "raw")


def test_the_target_of_a_forecast_may_have_any_numbers(tmp_path: Path):
    rows = [
        f"2026-01-{d:02} {h:02}:00,{3.7 * d + h / 7:.4f}" for d in range(1, 20) for h in range(24)
    ]
    (tmp_path / "log.csv").write_text("time,level\n" + "\n".join(rows) + "\n")
    table = Table(task="forecast", target="level")
    found = read("sensor_table", {}, table, tmp_path / "log.csv", tmp_path / "raw")
    assert found.frame["level"].n_unique() > len(found.frame) / 2
