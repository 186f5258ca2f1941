"""Every real sensor file by its section in docs/sensors.md, and the traps that are in it."""

import os
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from flows.workload import Workload, build
from tasks.clean import accounting, parts
from tasks.core.plugins import plugin
from tasks.core.schema import ROW, Columns, load_columns, save_columns
from tasks.validate.judge import judge

ROOT = Path(__file__).parents[3]
SHARED = Path(os.environ.get("TEMPER_SHARED") or ROOT.parent / "shared") / "data"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data (TEMPER_SHARED)")

PAGE = (ROOT / "docs" / "sensors.md").read_text()
SECTIONS = {
    name: (section, block)
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    for name, section in yaml.safe_load(block).items()
}
FILES = {
    "house": "timeseries/appliances_energy_first80pct.parquet",
    "occupancy": "timeseries/occupancy_train.csv.gz",
    "awair_element": "timeseries/awair_element_1min_first80pct.parquet",
    "awair_omni": "timeseries/awair_omni_room_a.csv",
    "room_climate": "timeseries/room_climate_location_A_m01.parquet",
    "beijing": "timeseries/beijing_prsa_aotizhongxin.parquet",
    "fitbit_activity": "timeseries/fitbit_fitabase_daily_activity.csv",
    "fitbit_sleep": "timeseries/fitbit_fitabase_sleep_day.csv",
    "tsi": "timeseries/durham_tsi_raw_2025-03_04.csv.gz",
    "weather_hourly": "timeseries/durham_wu_raw_2025-03_04.csv.gz",
    "weather_daily": "timeseries/durham_wu_daily_2025.csv",
    "overlapping": "malformed/sensor_duplicate_timestamps.csv",
}


class Run:
    """A section's tables and accounts, up to the end of `clean`."""

    def __init__(self, name: str, folder: Path, file: str | None = None) -> None:
        section = SECTIONS[name][0]
        workload: Workload = build(name, {"seed": 0, "device": "cpu", **section})
        path = SHARED / (file or FILES[name])
        dataset = plugin("dataset", workload.ingest.dataset)
        raw, table, rows, report, out = (
            folder / n for n in ("raw", "table", "rows", "report", "out")
        )
        for each in (raw, table, rows, report, out):
            each.mkdir(parents=True)
        params = dataset.Params(**workload.ingest.options)
        dataset.fetch(params, path, raw)
        reading = dataset.read(raw, params, workload.table)
        reading.frame.write_parquet(table / "table.parquet")
        reading.unparsed.write_parquet(table / "unparsed.parquet")
        save_columns(reading.columns, table)
        asked = (workload.table, workload.validate_, folder / "bad.csv", workload.series)
        judge(table, rows, report, *asked)
        source = rows / "table.parquet"
        self.raw_columns = load_columns(rows)
        found = parts.run(
            source, self.raw_columns, workload.clean.steps, "cpu", folder / "kept", out
        )
        self.accounts = [accounting.told(account) for account in found]
        self.raw = pl.read_parquet(source)
        self.frame = pl.read_parquet(out / "table.parquet")
        self.columns: Columns = load_columns(out)

    def found(self, step: str, what: str, column: str | None = None) -> list[dict[str, Any]]:
        """Return the findings of a kind that a step has in its account."""
        return [
            each
            for account in self.accounts
            if account["step"] == step
            for each in account.get("found", [])
            if each["what"].startswith(what) and column in (None, each["column"])
        ]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Run]:
    return {name: Run(name, tmp_path_factory.mktemp(name)) for name in FILES}


def test_every_section_of_the_page_is_run_and_short():
    assert set(SECTIONS) == set(FILES)
    for name, (_, block) in SECTIONS.items():
        lines = [line for line in block.splitlines() if line.strip()]
        assert len(lines) <= 15, name


@pytest.mark.parametrize("name", FILES)
def test_what_leaves_clean_is_a_regular_grid(runs, name):
    run = runs[name]
    (time,) = [n for n, c in run.columns.items() if c.role == "time"]
    keys = [n for n, c in run.columns.items() if c.role == "group"]
    frame = run.frame
    assert frame.height > 20
    assert frame.select(*keys, time).equals(frame.select(*keys, time).unique().sort(*keys, time))
    step = pl.col(time).diff()
    steps = frame.select((step.over(keys) if keys else step).alias("s"))["s"].drop_nulls()
    assert steps.n_unique() == 1
    assert frame[ROW].to_list() == list(range(1, frame.height + 1))
    target = SECTIONS[name][0]["table"]["target"]
    assert frame[target].null_count() < frame.height / 2 or name == "tsi"
    assert all(account["engine"].startswith("cpu") for account in run.accounts)


def traps(run: Run) -> dict[tuple[str, str, str, str], int]:
    """Return what was found: (step, what, column, detail) -> count."""
    return {
        (account["step"], f["what"], f["column"], f["detail"]): f["count"]
        for account in run.accounts
        for f in account.get("found", [])
    }


def test_fahrenheit_is_converted_where_it_is_declared(runs):
    awair, daily = runs["awair_element"], runs["weather_daily"]
    assert 18 < awair.frame["temp"].mean() < 27
    assert awair.columns["temp"].unit == "degC"
    assert 10 < daily.frame["temperature"].mean() < 30
    assert 1000 < daily.frame["pressure_avg"].mean() < 1030
    for run, column in ((awair, "temp"), (daily, "temperature")):
        assert traps(run)["units", "converted", column, "degF to degC"] == run.raw.height
        assert not run.found("units", "likely")


@pytest.mark.parametrize(
    ("name", "column", "declared", "seen"),
    [
        ("awair_element", "temp", "degC", "degF"),
        ("weather_daily", "temperature", "degC", "degF"),
        ("weather_daily", "pressure_avg", "hPa", "inHg"),
        ("weather_hourly", "tempAvg", "degF", "degC"),
        ("weather_hourly", "pressureMax", "inHg", "hPa"),
        ("tsi", "T (C)", "degF", "degC"),
        ("beijing", "PRES", "mmHg", "hPa"),
        ("house", "T1", "degF", "degC"),
        ("occupancy", "CO2", "ppb", "ppm"),
    ],
)
def test_a_wrong_unit_is_found_out_and_not_converted(runs, name, column, declared, seen):
    module = plugin("clean_step", "units")
    frame, columns = runs[name].raw, dict(runs[name].raw_columns)
    columns[column] = columns[column].model_copy(update={"unit": declared})
    found = module.findings(frame, frame, columns, module.Params())
    said = [f["detail"] for f in found if f["what"] == "likely unit mix-up"]
    assert said
    assert all(f"declared {declared}" in each and f"looks like {seen}" in each for each in said)


@pytest.mark.parametrize("name", FILES)
def test_what_is_declared_right_raises_no_doubt(runs, name):
    assert not runs[name].found("units", "likely")
    assert not runs[name].found("units", "unit changes")


def test_a_unit_that_nobody_declared_is_told(runs):
    module = plugin("clean_step", "units")
    columns = dict(runs["awair_element"].raw_columns)
    columns["temp"] = columns["temp"].model_copy(update={"unit": None})
    found = module.findings(*[runs["awair_element"].raw] * 2, columns, module.Params())
    assert any("no unit declared, the median 71.08 looks like degF" in f["detail"] for f in found)


def test_a_change_of_units_within_a_real_series(runs):
    raw, columns = runs["weather_hourly"].raw, dict(runs["weather_hourly"].raw_columns)
    module = plugin("clean_step", "units")
    half = raw.filter(pl.col("stationID") == "WUSTATION01")
    at = half["obsTimeUtc"][700]
    later = (pl.col("stationID") == "WUSTATION01") & (pl.col("obsTimeUtc") >= at)
    mixed = raw.with_columns(
        pl.when(later)
        .then(pl.col("tempAvg") * 1.8 + 32)
        .otherwise(pl.col("tempAvg"))
        .alias("tempAvg")
    )
    found = module.findings(mixed, mixed, columns, module.Params())
    (change,) = [f for f in found if f["what"] == "unit changes within the series"]
    assert change["detail"] == f"WUSTATION01: from degC to degF at {at}"


def test_humidity_0_wrong_places_and_reports_of_the_device(runs):
    found = traps(runs["tsi"])
    assert found["sentinels", "sentinel", "RH (%)", "0"] == 1
    assert found["sentinels", "sentinel", "T (C)", "0"] == 1  # in the same row
    assert found["places", "wrong place", "metadata_location_latitude", "0, 0"] == 46
    assert found["places", "wrong place", "metadata_location_latitude", "36, 36"] == 1
    says = {k[3]: n for k, n in found.items() if k[1] == "says"}
    assert says == {
        "A cloud connection was not operational during this interval.": 10,
        "Device rebooted.": 8,
        "PM Sensor error. See PM Sensor status for more details.": 1,
    }
    hot = next(a for a in runs["tsi"].accounts if a["step"] == "range")
    assert hot["columns"] == {"T (C)": 3}
    assert runs["tsi"].frame["T (C)"].max() <= 45


def test_repeated_exports_and_contradictions(runs):
    found = traps(runs["overlapping"])
    assert found["sorted_unique", "row repeats an earlier one", "date", "removed"] == 2
    assert runs["overlapping"].frame.height == 72
    found = traps(runs["fitbit_sleep"])
    assert found["sorted_unique", "row repeats an earlier one", "SleepDay", "removed"] == 3
    found = traps(runs["weather_hourly"])
    what = "row contradicts an earlier one"
    assert found["sorted_unique", what, "obsTimeUtc", "mean taken"] == 163


def test_gaps_are_counted_as_plain_polars_counts_them(runs):
    run = runs["awair_element"]
    (gap,) = run.found("sorted_unique", "gap")
    steps = run.raw["timestamp"].sort().diff().drop_nulls()
    usual = steps.quantile(0.25, "lower")
    assert gap["count"] == (steps > 1.5 * usual).sum()
    assert str(steps.max()) in gap["detail"]
    assert run.frame.height > run.raw.height
    assert not runs["beijing"].found("sorted_unique", "gap")
    assert runs["beijing"].raw["PM2.5"].null_count() == 925  # what they say of the weather stays
    devices = {f["detail"].split(":")[0]: f for f in runs["tsi"].found("sorted_unique", "gap")}
    assert "28 days" in devices["device01"]["detail"]
    assert "device03" not in devices


def test_stuck_and_saturated_sensors(runs):
    found = traps(runs["house"])
    assert found["stuck", "stuck", "RH_6", "99.9"] == 208  # of 353 in a row, a day is let be
    assert found["sentinels", "saturated (stays)", "RH_6", "1, 99.9"] > 353


def test_days_without_the_device_are_missing(runs):
    found = traps(runs["fitbit_activity"])
    raw = runs["fitbit_activity"].raw
    assert found["sentinels", "sentinel", "TotalSteps", "0"] == (raw["TotalSteps"] == 0).sum() > 40


def test_time_in_parts_becomes_utc(runs):
    run = runs["beijing"]
    first = run.raw.row(0, named=True)
    begin = pl.Series([f"{first['year']}-{first['month']:02}-{first['day']:02}"]).str.to_datetime()
    hours = pl.duration(hours=first["hour"] - 8)  # Asia/Shanghai is 8 hours ahead
    assert run.frame["time"][0] == begin.to_frame("t").select(pl.col("t") + hours).item()
    assert run.columns["time"].unit == "UTC"


def test_classes_stay_classes(runs):
    for name, target in (("occupancy", "Occupancy"), ("room_climate", "activity")):
        assert set(runs[name].frame[target].drop_nulls()) <= set(runs[name].raw[target])


def test_another_part_of_the_data_goes_the_same_way(tmp_path):
    run = Run("occupancy", tmp_path, "timeseries/occupancy_test1.csv.gz")
    assert run.frame.height == 534
    assert not run.found("units", "likely")


@pytest.mark.parametrize("name", FILES)
def test_an_export_that_overlaps_changes_nothing(runs, name, tmp_path):
    run = runs[name]
    again = run.raw.tail(20).with_columns((pl.col(ROW) + run.raw[ROW].max()).cast(pl.UInt32))
    pl.concat([run.raw, again]).write_parquet(tmp_path / "table.parquet")
    steps = build(name, {"seed": 0, "device": "cpu", **SECTIONS[name][0]}).clean.steps
    found = parts.run(
        tmp_path / "table.parquet", run.raw_columns, steps, "cpu", tmp_path / "kept", tmp_path
    )
    assert pl.read_parquet(tmp_path / "table.parquet").equals(run.frame)
    repeats = [
        f["count"]
        for account in found
        for f in account.get("found", [])
        if f["what"] == "row repeats an earlier one"
    ]
    before = [f["count"] for f in run.found("sorted_unique", "row repeats an earlier one")]
    assert sum(repeats) == sum(before) + 20
