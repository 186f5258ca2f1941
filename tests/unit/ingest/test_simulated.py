"""The simulated homes: the table is what the truth says, and the causes can be found in it."""

import json
import tracemalloc
from datetime import date, datetime
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from tasks.core.schema import Column, Table
from tasks.ingest.datasets import readiness_simulated
from tasks.ingest.simulated import __main__, sensors
from tasks.ingest.simulated.calibration import calibrate
from tasks.ingest.simulated.days import CAUSES, DECOY, RING, Days, days, records
from tasks.ingest.simulated.params import Dirt, Params
from tasks.ingest.simulated.sensors import SENSORS
from tasks.ingest.simulated.writing import FILE, write

KINDS = list(Dirt.model_fields)
CLEAN = Dirt(**dict.fromkeys(KINDS, 0))
NAMES = [sensor.name for sensor in SENSORS]
SMALL = Params(homes=2, nights=40)


def made(params: Params, folder: Path) -> tuple[pl.DataFrame, dict[str, Any], pl.DataFrame]:
    """Return the table, the truth and the list of faults."""
    folder.mkdir()
    truth = write(params, folder, folder)
    assert json.loads((folder / "truth.json").read_text()) == truth
    return pl.read_parquet(folder / FILE), truth, pl.read_parquet(folder / "dirt.parquet")


def only(kind: str, share: float) -> Params:
    return SMALL.model_copy(update={"dirt": CLEAN.model_copy(update={kind: share})})


def changed(dirty: pl.DataFrame, clean: pl.DataFrame) -> pl.DataFrame:
    """Return (row, sensor) bool: the cells that differ between two tables with the same rows."""
    assert dirty.select("time", "home").equals(clean.select("time", "home"))
    return pl.DataFrame({name: dirty[name] != clean[name] for name in NAMES})


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    params = SMALL.model_copy(update={"dirt": CLEAN})
    return made(params, tmp_path_factory.mktemp("simulated") / "clean")[0]


def test_the_seed_decides_the_bytes(tmp_path: Path):
    contents = []
    for number, seed in enumerate((3, 3, 4)):
        (tmp_path / str(number)).mkdir()
        write(Params(homes=2, nights=20, seed=seed), tmp_path / str(number))
        contents.append((tmp_path / str(number) / FILE).read_bytes())
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]


def test_a_home_is_the_same_whoever_else_is_there(clean: pl.DataFrame, tmp_path: Path):
    alone, *_ = made(SMALL.model_copy(update={"homes": 1, "dirt": CLEAN}), tmp_path / "one")
    first = clean.filter(pl.col("home") == "home_01")
    assert alone.select(NAMES).equals(first.select(NAMES))


def test_memory_does_not_grow_with_the_nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sensors, "CHUNK_ROWS", 10 * 144)
    peaks = []
    for nights in (20, 120):
        (tmp_path / str(nights)).mkdir()
        tracemalloc.start()
        write(Params(homes=1, nights=nights, period_min=10), tmp_path / str(nights))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    groups = pq.ParquetFile(tmp_path / "120" / FILE).metadata
    assert groups.num_row_groups == 12
    assert max(groups.row_group(i).num_rows for i in range(12)) < 1.05 * 10 * 144
    assert peaks[1] < 1.2 * peaks[0]  # six times the rows


def test_half_of_the_readiness_has_causes():
    params = Params(homes=150, nights=300)
    found = calibrate(params)
    lived = [records(params, home, days(params, home), found.noise_sd) for home in range(150)]
    readiness = np.concatenate([each.values[:, RING.index("readiness")] for each in lived])
    signal = np.concatenate([each.signal for each in lived])
    assert signal.var() / readiness.var() == pytest.approx(0.5, abs=0.02)
    assert 1 - np.mean((readiness - signal) ** 2) / readiness.var() == pytest.approx(0.5, abs=0.02)
    assert 70 < readiness.mean() < 80
    assert np.mean((readiness == 0) | (readiness == 100)) < 0.005
    shares = [found.shares[name] for name in CAUSES]
    assert shares == sorted(shares, reverse=True)
    assert shares[1] > 2 * shares[2]
    assert 0.5 < found.decoy["co2_level"] < 0.7
    assert -0.7 < found.decoy["co2_effect"] < -0.5


def oracle(params: Params) -> tuple[list[str], float, float]:
    """Return the columns, strongest first; MAE of trees that see clean nights, of persistence."""
    noise = calibrate(params).noise_sd
    tables = []
    for home in range(params.homes):
        lived: Days = days(params, home)
        ring = records(params, home, lived, noise).values.astype(float)
        nights = {"co2_ppm": lived.co2, "temperature_c": lived.temperature, DECOY: lived.pm25}
        nights |= {"humidity_pct": lived.humidity, "voc_ppb": lived.voc, "noise_dba": lived.peak}
        known = {name: values[2:] for name, values in nights.items()}
        known |= {name: ring[:-1, index] for index, name in enumerate(RING)}
        tables.append(pl.DataFrame({**known, "next": ring[1:, -1]}))
    count = int(0.8 * len(tables[0]))
    train, test = pl.concat(t[:count] for t in tables), pl.concat(t[count:] for t in tables)
    names = train.columns[:-1]
    fitted = lightgbm.train(
        {"objective": "regression", "num_leaves": 6, "learning_rate": 0.1, "verbosity": -1,
         "num_threads": 1, "seed": 0, "feature_fraction": 0.7},
        lightgbm.Dataset(train.select(names).to_numpy(), train["next"].to_numpy()), 80,
    )  # fmt: skip
    X, y = test.select(names).to_numpy(), test["next"].to_numpy()
    # SHAP values of trees: Lundberg et al. 2020, doi:10.1038/s42256-019-0138-9
    drives = np.abs(np.asarray(fitted.predict(X, pred_contrib=True))[:, :-1]).mean(axis=0)
    error = np.abs(np.asarray(fitted.predict(X)) - y).mean()
    return [names[i] for i in np.argsort(-drives)], error, np.abs(test["readiness"] - y).mean()


@pytest.mark.parametrize("seed", range(5))
def test_the_causes_can_be_found(seed: int):
    strong, error, of_persistence = oracle(Params(seed=seed))
    assert set(strong[:2]) == {"co2_ppm", "temperature_c"}
    assert DECOY not in strong[:3]
    assert error < 0.75 * of_persistence


def test_nights_hold_what_was_planted(clean: pl.DataFrame):
    berlin = pl.col("time").dt.convert_time_zone("Europe/Berlin").dt.replace_time_zone(None)
    rows = clean.with_columns(local=berlin).with_columns(hour=pl.col("local").dt.hour())
    nights = (
        rows.filter((pl.col("hour") >= 22) | (pl.col("hour") < 7))
        .group_by("home", (pl.col("local") + pl.duration(hours=2)).dt.date().alias("morning"))
        .agg(pl.all().mean(), pl.max("noise_dba").alias("peak"))
        .sort("home", "morning")
    )
    lived = [days(SMALL, home) for home in range(2)]
    for name, field, near in (
        ("co2_ppm", "co2", 0.5), ("temperature_c", "temperature", 0.005), ("pm25", "pm25", 0.05),
        ("voc_ppb", "voc", 0.5), ("humidity_pct", "humidity", 0.05),
    ):  # fmt: skip
        planted = np.concatenate([getattr(each, field)[1:] for each in lived])
        assert np.abs(nights[name].to_numpy() - planted).max() < near
    peak = np.concatenate([each.peak[1:] for each in lived])
    assert np.corrcoef(np.maximum(peak, 40), nights["peak"].to_numpy())[0, 1] > 0.95


def test_no_sensor_looks_stuck_by_itself(clean: pl.DataFrame):
    longest = {name: clean[name].rle().struct.field("len").max() for name in NAMES}
    assert (
        max(longest.values()) * SMALL.period_min < 150
    )  # minutes; what is stuck takes 180 or more


def test_the_ring_syncs_once_a_day_at_eight(clean: pl.DataFrame):
    berlin = pl.col("time").dt.convert_time_zone("Europe/Berlin")
    ring = clean.filter(pl.col("readiness").is_not_null()).with_columns(local=berlin)
    assert ring["local"].dt.strftime("%H:%M").unique().to_list() == ["08:00"]
    assert ring.group_by("home").len()["len"].to_list() == [SMALL.nights] * 2
    first = ring.filter(pl.col("home") == "home_01")
    expected = records(SMALL, 0, days(SMALL, 0), calibrate(SMALL).noise_sd).values
    assert np.array_equal(first.select(RING).to_numpy(), expected)
    assert first["local"].dt.date()[0] == SMALL.start
    others = clean.filter(pl.col("readiness").is_null()).select(RING)
    assert others.null_count().row(0) == (len(others),) * len(RING)


def test_local_stamps_have_an_hour_twice_and_one_missing(tmp_path: Path):
    params = Params(homes=1, nights=250, start=date(2024, 9, 1), stamps="local", dirt=CLEAN)
    frame, *_ = made(params, tmp_path / "local")
    assert frame.schema["time"] == pl.Datetime("ms")
    steps = frame["time"].diff().drop_nulls().dt.total_minutes()
    at = frame["time"][1:]
    assert at.filter(steps < 0).to_list() == [datetime(2024, 10, 27, 2)]
    assert at.filter(steps > 5).to_list() == [datetime(2025, 3, 30, 3)]
    assert frame["time"].is_duplicated().sum() == 2 * 12


@pytest.mark.parametrize(
    ("kind", "share"),
    [("fahrenheit", 0.1), ("sentinels", 0.002), ("spikes", 0.002), ("stuck", 0.1)],
)
def test_cells_are_wrong_where_the_truth_says(
    kind: str, share: float, clean: pl.DataFrame, tmp_path: Path
):
    dirty, truth, log = made(only(kind, share), tmp_path / "dirty")
    assert truth["dirt"] == {**dict.fromkeys(KINDS, 0), kind: log["count"].sum()}
    columns = 1 if kind == "fahrenheit" else len(SENSORS)
    assert 0.6 < log["count"].sum() / len(dirty) / columns / share < 1.4
    differs = changed(dirty, clean)
    stamps = dirty["time"].dt.epoch("s")
    marked = {name: np.zeros(len(dirty), bool) for name in NAMES}
    for run in log.iter_rows(named=True):
        home = (dirty["home"] == f"home_{run['home'] + 1:02d}").to_numpy()
        marked[run["sensor"]] |= home & stamps.is_between(run["first"], run["last"]).to_numpy()
    listed = pl.DataFrame(marked)
    assert listed.select(pl.sum_horizontal(pl.all().sum())).item() == log["count"].sum()
    if kind == "stuck":  # some cells would have had that value anyway
        assert all((differs[name] <= listed[name]).all() for name in NAMES)
        assert differs["co2_ppm"].sum() > 0.9 * listed["co2_ppm"].sum()
    else:
        assert differs.equals(listed)
    for sensor in SENSORS if kind == "sentinels" else ():
        assert (dirty[sensor.name].filter(listed[sensor.name]) == sensor.sentinel).all()
    if kind == "fahrenheit":
        celsius = (dirty["temperature_c"].filter(listed["temperature_c"]) - 32) / 1.8
        right = clean["temperature_c"].filter(listed["temperature_c"])
        assert (celsius - right).abs().max() < 0.01


@pytest.mark.parametrize("kind", ["gaps", "duplicates", "conflicts", "clock_shifts", "unworn"])
def test_rows_are_wrong_where_the_truth_says(kind: str, clean: pl.DataFrame, tmp_path: Path):
    dirty, truth, log = made(only(kind, 0.1), tmp_path / "dirty")
    count = truth["dirt"][kind]
    assert truth["dirt"] == {**dict.fromkeys(KINDS, 0), kind: log["count"].sum()}
    assert truth["rows"] == len(dirty)
    assert count > 0
    worn = pl.col("readiness").is_not_null()
    if kind == "unworn":
        assert clean.filter(worn).height - dirty.filter(worn).height == count
        return
    assert (
        dirty.filter(worn)
        .select("home", "time", *RING)
        .equals(clean.filter(worn).select("home", "time", *RING))
    )
    alone = dirty.filter(pl.col("co2_ppm").is_null()).height  # the ring's record without sensors
    if kind == "gaps":
        assert len(clean) - len(dirty) + alone == count
    elif kind == "clock_shifts":
        assert len(dirty) == len(clean)
        off = (dirty["time"] - clean["time"]).dt.total_minutes()
        assert (off != 0).sum() == count
        assert set(off.unique()) <= {-120, -60, 0, 60, 120}
    else:
        assert len(dirty) - len(clean) == count
        distinct = dirty.unique().height
        assert distinct == (len(clean) if kind == "duplicates" else len(dirty))
        assert dirty.unique(["home", "time"], keep="first", maintain_order=True).equals(clean)


def test_all_the_dirt_together_adds_up(clean: pl.DataFrame, tmp_path: Path):
    params = SMALL.model_copy(update={"dirt": Dirt(clock_shifts=0.1, unworn=0.1)})
    dirty, truth, log = made(params, tmp_path / "dirty")
    count = truth["dirt"]
    assert all(count.values())
    assert count == {k: log.filter(pl.col("kind") == k)["count"].sum() for k in count}
    sent_again = count["duplicates"] + count["conflicts"]
    alone = dirty.filter(pl.col("co2_ppm").is_null()).height
    in_outage = len(dirty) - sent_again - len(clean) + count["gaps"]
    assert 0 <= in_outage <= alone  # the others are of days with the clock off
    dead = sum((dirty[s.name] == np.float32(s.sentinel)).sum() for s in SENSORS)
    assert 0 <= dead - count["sentinels"] <= sent_again * len(SENSORS)
    outside = dirty.filter(pl.col("temperature_c") > 45)
    assert abs(len(outside) - count["fahrenheit"]) <= sent_again


def test_what_is_read_has_roles_units_and_the_truth(tmp_path: Path):
    params = Params(homes=2, nights=20, seed=5)
    readiness_simulated.fetch(params, None, tmp_path)
    table = Table(task="regression", target="readiness")
    reading = readiness_simulated.read(tmp_path, params, table)
    roles = {name: column.role for name, column in reading.columns.items()}
    assert roles["time"] == "time"
    assert roles["home"] == "group"
    assert roles["readiness"] == "target"
    assert {roles[name] for name in (*NAMES, *RING[:-1])} == {"feature"}
    assert reading.columns["temperature_c"].unit == "°C"
    assert reading.columns["hrv_ms"].unit == "ms"
    assert reading.source["truth"]["seed"] == 5
    assert {cause["name"] for cause in reading.source["truth"]["causes"]} == set(CAUSES)
    listed = table.model_copy(update={"columns": {"home": Column()}, "extra_columns": "ignore"})
    assert readiness_simulated.read(tmp_path, params, listed).columns["home"].role == "feature"


def test_the_command_writes_the_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert __main__.main([str(tmp_path / "out"), '{"homes": 1, "nights": 12}']) == 0
    assert json.loads(capsys.readouterr().out)["dirt"].keys() == set(KINDS)
    lived = pl.read_parquet(tmp_path / "out" / "days.parquet")
    points = lived.select(pl.sum_horizontal(*CAUSES, "person", "season") + 82).to_series()
    assert (points - lived["signal"]).abs().max() < 1e-9
    assert __main__.main([str(tmp_path), '{"homs": 1}']) == 2
    assert "homs" in capsys.readouterr().err


def test_params_name_what_cannot_be():
    with pytest.raises(ValidationError, match="Europe/Berlin"):
        Params(zone="Mars/Olympus")
    with pytest.raises(ValidationError, match="start and nights"):
        Params(start="2190-01-01", nights=20_000)  # pyright: ignore[reportArgumentType]
