"""A table of many series, cleaned in parts: the bytes of all at once, and those of a killed run."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.clean import chain, parts, series
from tasks.clean.params import Params
from tasks.clean.task import clean
from tasks.core import store
from tasks.core.errors import DataError
from tasks.core.schema import ROW, Column, Columns, load_columns, save_columns

ROOT = Path(__file__).parents[3]
COLUMNS: Columns = {
    "t": Column(type="datetime", role="time"),
    "sensor": Column(type="category", role="group"),
    "temp": Column(type="float", unit="degF"),
    "co2": Column(type="float", role="target"),
}
STEPS = {
    "a grid": [
        "types",
        "sentinels",
        {"units": {"convert": True}},
        "sorted_unique",
        {"fill_gaps": {"longest": "5m"}},
        {"resample": {"every": "15m", "statistics": ["mean", "std", "sum"]}},
        {"lags": {"by": ["15m"]}},
        "downcast",
    ],
    "rows as they are": ["types", {"sorted_unique": {"conflicts": "mean"}}, "stuck", "spikes"],
    "days of rows": ["types", {"sorted_unique": {"conflicts": "mean"}}, "duplicates", "daily"],
    "days of a grid": ["types", "sorted_unique", {"resample": {"every": "1h"}}, "daily"],
}


def table(folder: Path, sensors: int = 7, minutes: int = 2000) -> Path:
    """Write rows of several sensors, shuffled, with repeats, sentinels and gaps."""
    rng = np.random.default_rng(5)
    n = sensors * minutes
    start = datetime(2026, 1, 1)
    temp = np.round(70 + rng.normal(0, 3, n), 2)
    temp[rng.integers(0, n, n // 300)] = -9999.0
    order = np.concatenate([np.arange(n), rng.integers(0, n, n // 50)])
    rng.shuffle(order)
    frame = pl.DataFrame(
        {
            "t": [start + timedelta(minutes=int(i % minutes)) for i in range(n)],
            "sensor": [f"s{i // minutes}" for i in range(n)],
            "temp": pl.Series(temp).set(pl.Series(rng.random(n) < 0.1), None),
            "co2": rng.normal(700, 50, n),
        }
    )[order.tolist()].with_row_index(ROW, offset=1)
    frame.write_parquet(folder / "table.parquet")
    save_columns(COLUMNS, folder)
    return folder / "table.parquet"


def cleaned(
    source: Path, steps: list, folder: Path, accounts: chain.Accounts = "cells"
) -> tuple[bytes, Columns, list[dict]]:
    out = folder / "out"
    out.mkdir(parents=True)
    given = (Params.model_validate({"steps": steps}).steps, "cpu", folder / "kept", out)
    told = parts.run(source, COLUMNS, *given, accounts=accounts)
    return (out / "table.parquet").read_bytes(), load_columns(out), told


@pytest.mark.parametrize("name", STEPS)
def test_parts_give_the_bytes_and_the_account_of_the_whole(name, tmp_path, monkeypatch):
    source = table(tmp_path)
    whole = cleaned(source, STEPS[name], tmp_path / "whole")
    monkeypatch.setattr(parts, "PART_ROWS", 5000)  # two sensors a part
    split = cleaned(source, STEPS[name], tmp_path / "split")
    assert split[0] == whole[0]
    assert split[1] == whole[1]
    assert split[2][0]["parts"] == 4
    for of_parts, of_whole in zip(split[2], whole[2], strict=True):
        for key in (
            "step",
            "rows_before",
            "rows_after",
            "rows_touched",
            "cells_touched",
            "columns",
        ):
            assert of_parts[key] == of_whole[key]
        found, expected = (
            sorted(json.dumps(f) for f in account.get("found", []) if f["what"] != "gap")
            for account in (of_parts, of_whole)
        )
        assert found == expected


def test_a_table_whose_first_step_looks_at_all_of_it_is_one_part(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART_ROWS", 5000)
    source = table(tmp_path)
    _, _, accounts = cleaned(source, ["outliers", "sorted_unique"], tmp_path / "a")
    assert not any("parts" in account for account in accounts)


KILLED = """
import os, signal, sys
from tasks.clean import parts
from tasks.clean.params import Params
from tasks.clean.task import clean
from tasks.core.artifacts import Artifact

parts.PART_ROWS = 5000
clean_part, done = parts._clean_part, []

def until_killed(*arguments):
    clean_part(*arguments)
    done.append(arguments)
    if len(done) == 2:
        os.kill(os.getpid(), signal.SIGKILL)

parts._clean_part = until_killed
rows = Artifact.model_validate_json(sys.argv[1])
clean.fn(rows, Params.model_validate_json(sys.argv[2]), "cpu")
"""


def test_a_killed_run_goes_on_and_gives_the_same_bytes(tmp_path, monkeypatch):
    params = Params.model_validate({"steps": STEPS["a grid"]})
    monkeypatch.setattr(parts, "PART_ROWS", 5000)
    clean_part, done = parts._clean_part, []
    monkeypatch.setattr(parts, "_clean_part", lambda *a: (done.append(a), clean_part(*a)))
    found = {}
    for name in ("straight", "killed"):
        home = tmp_path / name
        monkeypatch.setenv("TEMPER_HOME", str(home))
        with store.writing() as out:
            table(out)
            rows = store.put("validate/rows", out)
        if name == "killed":
            died = subprocess.run(
                [sys.executable, "-c", KILLED, rows.model_dump_json(), params.model_dump_json()],
                capture_output=True,
                text=True,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                timeout=120,
            )
            assert died.returncode == -signal.SIGKILL, died.stderr
        done.clear()
        found[name] = clean.fn(rows, params, "cpu").digest
        assert len(done) == {"straight": 4, "killed": 2}[name]
        assert not list((home / "checkpoints").iterdir())
    assert found["killed"] == found["straight"]


def test_the_bytes_are_the_same_each_time(tmp_path):
    source = table(tmp_path)
    digests = {
        hashlib.sha256(cleaned(source, STEPS["a grid"], tmp_path / str(i))[0]).hexdigest()
        for i in range(3)
    }
    assert len(digests) == 1


BEFORE_A_GRID = ["types", "time_zone", "sentinels", "stuck", "spikes"]


def test_a_step_from_file_to_file_follows_parts_of_rows_in_any_order(tmp_path, monkeypatch):
    source = table(tmp_path)
    steps = [*BEFORE_A_GRID, {"grid": {"windows": ["1h"]}}, "calendar"]
    whole = cleaned(source, steps, tmp_path / "whole")
    monkeypatch.setattr(parts, "PART_ROWS", 5000)
    monkeypatch.setattr(parts.pl, "read_parquet", only_pieces(parts.pl.read_parquet, source))
    split = cleaned(source, steps, tmp_path / "split")
    assert split[:2] == whole[:2]
    assert [a["step"] for a in split[2]] == [a["step"] for a in whole[2]]
    assert [a.get("parts") for a in split[2]] == [4] * 5 + [None] * 2
    assert list((tmp_path / "split" / "kept" / "kept" / "features").iterdir())  # it goes on, too
    assert split[2][2]["cells_touched"] == whole[2][2]["cells_touched"] > 0


def only_pieces(read, source):
    """Return a reader that refuses the whole table."""

    def checked(path, *rest):
        assert Path(path) != source
        return read(path, *rest)

    return checked


@pytest.mark.parametrize("name", STEPS)
def test_one_plan_gives_the_bytes_that_single_steps_give(name, tmp_path, monkeypatch):
    source = table(tmp_path)
    single = cleaned(source, STEPS[name], tmp_path / "single")
    whole = cleaned(source, STEPS[name], tmp_path / "whole", accounts="rows")
    monkeypatch.setattr(parts, "PART_ROWS", 5000)
    split = cleaned(source, STEPS[name], tmp_path / "split", accounts="rows")
    assert single[:2] == whole[:2] == split[:2]
    first = split[2][0]
    assert first["parts"] == 4
    for accounts in (whole[2], split[2]):
        named = ", ".join(account["step"] for account in accounts)
        assert named == ", ".join(account["step"] for account in single[2])
        assert accounts[0]["rows_before"] == single[2][0]["rows_before"]
        assert accounts[-1]["rows_after"] == single[2][-1]["rows_after"]
        assert accounts[0]["cells_touched"] is None


def test_one_plan_that_keeps_rows_is_streamed_from_file_to_file(tmp_path, monkeypatch):
    source = table(tmp_path)
    steps = ["types", {"range": {"limits": {"temp": {"min": 60}}, "outside": "drop"}}, "calendar"]
    single = cleaned(source, steps, tmp_path / "single")
    monkeypatch.setattr(parts.frames, "collect", lambda *_: pytest.fail("it is in memory"))
    made = cleaned(source, steps, tmp_path / "one", accounts="rows")
    assert made[:2] == single[:2]
    [account] = made[2]
    assert account["step"] == "types, range, calendar"
    assert account["rows_before"] - account["rows_after"] == single[2][1]["rows_touched"] > 0
    assert account["engine"] == "cpu: Polars, streaming"
    assert account["note"].startswith("cells, findings and repairs were not counted")
    nothing = {"range": {"limits": {"co2": {"min": 6000}}, "outside": "drop"}}
    with pytest.raises(DataError, match="types, range"):
        cleaned(source, ["types", nothing], tmp_path / "empty", accounts="rows")


def test_in_one_plan_a_step_that_is_many_in_one_stands_alone(tmp_path):
    steps = ["types", "sentinels", {"grid": {"windows": ["1h"]}}, "calendar", "downcast"]
    single = cleaned(table(tmp_path), steps, tmp_path / "single")
    made = cleaned(table(tmp_path), steps, tmp_path / "one", accounts="rows")
    assert made[:2] == single[:2]
    assert [a["step"] for a in made[2]] == ["types, sentinels", "grid", "calendar, downcast"]
    steps = ["types", "stuck", "grid", {"lags": {"by": ["1d"]}}, "calendar"]
    made = cleaned(table(tmp_path), steps, tmp_path / "plans", accounts="rows")
    assert [a["step"] for a in made[2]] == ["types, stuck", "grid", "lags, calendar"]


def test_rows_that_go_behind_a_new_grid_leave_the_numbers_of_the_next_part_alone(
    tmp_path, monkeypatch
):
    dropped = {"range": {"limits": {"co2": {"min": 690}}, "outside": "drop"}}
    steps = ["types", {"resample": {"every": "1h"}}, dropped, "stuck", "duplicates"]
    source = table(tmp_path)
    single = cleaned(source, steps, tmp_path / "single")
    monkeypatch.setattr(parts, "PART_ROWS", 5000)
    for accounts in ("cells", "rows"):
        made = cleaned(source, steps, tmp_path / accounts, accounts)
        assert made[:2] == single[:2]
        rows = pl.read_parquet(tmp_path / accounts / "out" / "table.parquet")[ROW]
        assert rows.is_unique().all()
    assert [a["step"] for a in made[2]] == ["types, resample, range, stuck", "duplicates"]


def test_numbers_go_on_where_a_plan_leaves_nothing_of_a_part(tmp_path, monkeypatch):
    source = table(tmp_path)
    rows, first = pl.read_parquet(source), pl.col("sensor").is_in(["s0", "s1"])
    rows.with_columns(pl.when(first).then(0.0).otherwise("co2").alias("co2")).write_parquet(source)
    dropped = {"range": {"limits": {"co2": {"min": 1}}, "outside": "drop"}}
    steps = ["types", {"resample": {"every": "1h"}}, dropped]
    single = cleaned(source, steps, tmp_path / "single")
    monkeypatch.setattr(parts, "PART_ROWS", 5000)
    made = cleaned(source, steps, tmp_path / "rows", accounts="rows")
    assert made[:2] == single[:2]
    assert [a["step"] for a in made[2]] == ["types, resample, range"]
    assert made[2][0]["parts"] == 4


ONE_PLAN = [
    "types",
    "time_zone",
    "sentinels",
    {"units": {"convert": True}},
    "range",
    "sorted_unique",
    "stuck",
    "spikes",
    {"fill_gaps": {"longest": "5m"}},
    {"resample": {"every": "15m", "statistics": ["mean", "std", "last"]}},
    {"rolling": {"windows": ["1h"], "statistics": ["mean", "slope"], "columns": ["temp_mean"]}},
    {"lags": {"by": ["1h"], "columns": ["temp_mean"]}},
    {"differences": {"by": ["1h"], "columns": ["temp_mean"]}},
    "calendar",
    "daily",
]


@pytest.mark.parametrize("search", [True, False])
def test_a_whole_chain_of_sensor_steps_is_one_plan(search, tmp_path, monkeypatch):
    source = table(tmp_path)
    steps = [
        s if s != "sentinels" else {s: {"detect": search, "values": [-9999]}} for s in ONE_PLAN
    ]
    single = cleaned(source, steps, tmp_path / "single")
    monkeypatch.setattr(parts, "PART_ROWS", 5000)
    grid_step = series.grid_step

    def known_alone(*given):
        assert series._known.get().apart  # else it computes all before it
        return grid_step(*given)

    monkeypatch.setattr(series, "grid_step", known_alone)
    made = cleaned(source, steps, tmp_path / "rows", accounts="rows")
    assert made[:2] == single[:2]
    named = [s if isinstance(s, str) else next(iter(s)) for s in ONE_PLAN]
    plans = [named[:2], named[2:]] if search else [named]  # sentinels look, behind time_zone
    assert [a["step"] for a in made[2]] == [", ".join(plan) for plan in plans]
    assert {a["parts"] for a in made[2]} == {4}


def test_series_that_a_step_makes_one_are_in_one_part(tmp_path, monkeypatch):
    source = table(tmp_path)
    rows = pl.read_parquet(source)
    blank = pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.col("sensor") + " ")
    rows.with_columns(blank.otherwise("sensor").alias("sensor")).write_parquet(source)
    steps = ["types", "text", "sorted_unique", {"resample": {"every": "1h"}}]
    single = cleaned(source, steps, tmp_path / "single")
    monkeypatch.setattr(parts, "PART_ROWS", 2000)
    assert cleaned(source, steps, tmp_path / "split")[:2] == single[:2]


def test_without_series_a_step_from_file_to_file_goes_on_behind_others(tmp_path):
    source = table(tmp_path, sensors=1)
    columns = {name: column for name, column in COLUMNS.items() if name != "sensor"}
    pl.read_parquet(source).drop("sensor").write_parquet(source)
    made = []
    for kept in (tmp_path / "a", tmp_path / "b"):
        out = kept / "out"
        out.mkdir(parents=True)
        steps = Params.model_validate({"steps": ["types", "sentinels", "grid"]}).steps
        parts.run(source, columns, steps, "cpu", kept, out)
        made.append((out / "table.parquet").read_bytes())
        assert list((kept / "kept" / "features").iterdir())
    assert made[0] == made[1]
