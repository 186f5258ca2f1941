"""Every engine gives what plain pandas gives; the same whoever is killed when."""

import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from pydantic import ValidationError

from tasks.core.errors import DataError, EngineUnavailable, ParamsError
from tasks.frames import run as running
from tasks.frames.run import run
from tasks.frames.spec import Column, Work

START = datetime(2026, 3, 1, 22, 50)
ENGINES = ("numba", "polars")
FORMAT = "%Y-%m-%d %H:%M:%S"
WORK = Work(
    time="at",
    key="sensor",
    columns=[
        Column(name="f", low=-40, high=150, offset=-32, scale=5 / 9, rename="c"),
        Column(name="n", high=7),
    ],
    fill_rows=2,
    grid_s=600,
    statistics=["mean", "min", "max", "std", "last", "count"],
    windows={"1h": 6, "2h": 12},
    rolling=["mean", "std", "min", "max", "q05", "q90"],
    lags=[1, 7],
    daily=["mean", "std", "count", "last"],
)


CODE = """
import sys, pathlib, polars
from tasks.frames import run, spec
engine, folder, work, out, kept = sys.argv[1:]
folder = pathlib.Path(folder)
run.PART_BYTES = 60_000
frame = polars.scan_parquet(folder / "rows.parquet")
made = run.run(
    spec.Work.model_validate_json(work), frame, folder / out, kept=folder / kept, engine=engine
)
print(*made["engines"])
"""


def table(seed: int) -> pl.DataFrame:
    """Return rows in no order: a regular sensor, irregular ones, one row, all null, duplicates."""
    rng = np.random.default_rng(seed)
    seconds = {
        "b regular": 60 * rng.permutation(int(rng.integers(200, 2000))),
        "a irregular": rng.integers(0, 200_000, 300),
        "d one": np.array([77]),
        "c null": 60 * np.arange(90),
        "e twice": np.array([5000, 5000, 5000]),
        "f coarse": 7200 * rng.permutation(40),
    }
    rows = pl.concat(
        pl.DataFrame(
            {
                "sensor": [sensor] * len(at),
                "at": [START + timedelta(seconds=int(s)) for s in at],
                "f": np.round(rng.normal(70, 40, len(at)), 2),
                "n": rng.integers(0, 10, len(at)),
            }
        )
        for sensor, at in seconds.items()
    )
    rows = pl.concat([rows, rows.sample(len(rows) // 20, seed=seed).with_columns(f=pl.lit(1.0))])
    gone = pl.Series(rng.random(len(rows)) < 0.2) | (rows["sensor"] == "c null")
    return rows.with_columns(
        f=pl.when(~gone).then("f"), n=pl.when(~gone.shuffle(seed) & ~gone).then("n")
    ).sample(fraction=1, shuffle=True, seed=seed)


def expected(rows: pl.DataFrame, work: Work) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables that pandas gives, in the order of sensor and time."""
    by = ["sensor", "at"]
    df = rows.to_pandas().drop_duplicates(by).sort_values(by, ignore_index=True)
    for column in work.columns:
        raw = df.pop(column.name)
        low = -np.inf if column.low is None else column.low
        high = np.inf if column.high is None else column.high
        df[column.named] = (raw.where(raw.between(low, high)) + column.offset) * column.scale
    df[work.names] = df.groupby("sensor")[work.names].ffill(limit=work.fill_rows)
    grids = []
    for sensor, own in df.groupby("sensor"):
        grid = own.set_index("at")[work.names].resample(f"{work.grid_s}s").agg([*work.statistics])
        grid.columns = [f"{name}_{statistic}" for name, statistic in grid.columns]
        for name in work.names:
            means = grid[f"{name}_mean"]
            for window, k in work.windows.items():
                rolled = means.rolling(k, min_periods=1)
                for statistic in work.rolling:
                    grid[f"{name}_{window}_{statistic}"] = (
                        rolled.quantile(int(statistic[1:]) / 100)
                        if statistic[0] == "q"
                        else getattr(rolled, statistic)()
                    )
            for lag in work.lags:
                grid[f"{name}_lag{lag}"] = means.shift(lag)
        grids.append(grid.reset_index().assign(sensor=sensor))
    daily = df.groupby(["sensor", pd.Grouper(key="at", freq="1D")])[work.names].agg([*work.daily])
    daily.columns = [f"{name}_{statistic}" for name, statistic in daily.columns]
    return pd.concat(grids), daily.reset_index()


def read(out: Path, kind: str) -> pl.DataFrame:
    return pl.read_parquet(out / kind / "*.parquet")


def same(found: pl.DataFrame, wanted: pd.DataFrame, columns: list[str]) -> None:
    assert found["sensor"].to_list() == wanted["sensor"].to_list()
    assert found["at"].to_list() == wanted["at"].to_list()
    assert found.columns == ["sensor", "at", *columns]
    for name in columns:
        rolled = name.endswith(("1h_std", "2h_std"))  # pandas' drifts: it is 1e-6 for equal values
        np.testing.assert_allclose(
            *(found[name].to_numpy(), wanted[name].to_numpy()),
            rtol=1e-7,
            atol=2e-6 if rolled else 1e-9,
            err_msg=name,
        )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(4))
def test_an_engine_gives_what_pandas_gives(tmp_path: Path, engine: str, seed: int) -> None:
    rows = table(seed)
    made = run(WORK, rows.lazy(), tmp_path, engine=engine)
    features, daily = expected(rows, WORK)
    same(read(tmp_path, "features"), features, WORK.features)
    same(read(tmp_path, "daily"), daily, WORK.days)
    assert made["engines"] == [engine]
    assert made["rows"] == {"features": len(features), "daily": len(daily)}


def test_slopes_are_the_same_by_both_engines(tmp_path: Path) -> None:
    work = WORK.model_copy(update={"rolling": ("slope",)})
    for engine in ENGINES:
        run(work, table(0).lazy(), tmp_path / engine, engine=engine)
    found, other = (read(tmp_path / engine, "features") for engine in ENGINES)
    for name in work.features:
        np.testing.assert_allclose(found[name], other[name], rtol=1e-6, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("memory_mib", [0, 1])
def test_parts_and_passes_change_nothing(
    tmp_path: Path, engine: str, memory_mib: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = table(1)
    run(WORK, rows.lazy(), tmp_path / "whole", engine=engine)
    monkeypatch.setattr(running, "PART_BYTES", 40_000)
    made = run(
        *(WORK, rows.lazy(), tmp_path / "parts"),
        engine=engine,
        memory_mib=memory_mib,
    )
    assert len(made["engines"]) > 1
    for kind in ("features", "daily"):
        assert read(tmp_path / "parts", kind).equals(read(tmp_path / "whole", kind))


@pytest.mark.parametrize("engine", ENGINES)
def test_text_times_without_key_and_without_more(tmp_path: Path, engine: str) -> None:
    rows = table(2).filter(pl.col("sensor") == "a irregular").drop("sensor")
    work = Work(
        time="at",
        time_format=FORMAT,
        columns=[Column(name="n")],
        statistics=["count", "max"],
        daily=[],
        precision="float32",
    )
    texts = rows.with_columns(pl.col("at").dt.to_string(FORMAT))
    texts = pl.concat([texts, pl.DataFrame({"at": [None], "f": [1.0], "n": [2]}, texts.schema)])
    run(work, texts.lazy(), tmp_path, engine=engine)
    found = read(tmp_path, "features")
    wanted = rows.to_pandas().drop_duplicates("at").set_index("at")["n"].resample("900s")
    assert found["n_count"].to_list() == wanted.count().to_list()
    np.testing.assert_array_equal(found["n_max"].to_numpy(), wanted.max())
    assert found.schema == {"at": pl.Datetime("us"), "n_count": pl.UInt32, "n_max": pl.Float32}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_finished_part_is_kept_and_a_broken_one_made_again(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PART_BYTES", 40_000)
    rows, kept = table(3).lazy(), tmp_path / "kept"
    run(WORK, rows, tmp_path / "first", kept=kept, engine=engine)
    second = kept / "features" / "00001.parquet"
    before = second.read_bytes()
    second.unlink()
    second.write_bytes(before[:-100])
    made = run(WORK, rows, tmp_path / "again", kept=kept, engine=engine)
    assert made["engines"][:2] == ["kept", engine]
    assert (tmp_path / "again/features/00001.parquet").read_bytes() == before
    other = WORK.model_copy(update={"fill_rows": 0})
    made = run(other, rows, tmp_path / "other", kept=kept, engine=engine)
    assert "kept" not in made["engines"]


@pytest.mark.parametrize("engine", ENGINES)
def test_killed_it_goes_on_and_ends_with_the_same_bytes(tmp_path: Path, engine: str) -> None:
    rows = pl.concat(
        table(seed).with_columns(pl.format("{} {}", "sensor", pl.lit(seed))) for seed in range(5)
    )
    rows.write_parquet(tmp_path / "rows.parquet")
    command = [sys.executable, "-c", CODE, engine, str(tmp_path), WORK.model_dump_json()]
    subprocess.run([*command, "whole", "none"], check=True)
    process = subprocess.Popen([*command, "killed", "kept"])
    mark = tmp_path / "kept" / "features" / "00002.parquet"
    while not mark.exists() and process.poll() is None:
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    made = subprocess.run([*command, "killed", "kept"], check=True, capture_output=True, text=True)
    assert made.stdout.split().count("kept") >= 3
    assert engine in made.stdout.split()
    names = [p.relative_to(tmp_path / "whole") for p in tmp_path.glob("whole/*/*.parquet")]
    assert len(names) > 10
    for name in names:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_time_that_is_none_is_named(tmp_path: Path, engine: str) -> None:
    rows = pl.LazyFrame({"at": ["2026-01-01 00:00:00", "2026-02-30 00:00:00"], "x": [1.0, 2.0]})
    work = Work(time="at", time_format=FORMAT, columns=[Column(name="x")])
    with pytest.raises(DataError, match="2026-02-30"):
        run(work, rows, tmp_path, engine=engine)


def test_a_wrong_year_is_found_before_it_fills_the_memory(tmp_path: Path) -> None:
    rows = pl.LazyFrame({"at": [datetime(1970, 1, 1), START], "x": [1.0, 2.0]})
    work = Work(time="at", columns=[Column(name="x")])
    with pytest.raises(DataError, match="1970-01-01"):
        run(work, rows, tmp_path, engine="numba")


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    local = pl.LazyFrame({"at": [START], "x": [1.0]}).with_columns(
        pl.col("at").dt.replace_time_zone("Europe/Berlin")
    )
    work = Work(time="at", columns=[Column(name="x")])
    with pytest.raises(EngineUnavailable, match="Berlin"):
        run(work, local, tmp_path / "a", engine="numba")
    assert run(work, local, tmp_path / "b")["engines"] == ["polars"]
    with pytest.raises(ParamsError, match="Did you mean 'at'"):
        run(work.model_copy(update={"time": "att"}), local, tmp_path / "c")
    with pytest.raises(ParamsError, match="time_format"):
        run(work, pl.LazyFrame({"at": ["x"], "x": [1.0]}), tmp_path / "d")
    with pytest.raises(ValidationError, match="median"):
        Work(time="at", columns=[Column(name="x")], rolling=["median"])
