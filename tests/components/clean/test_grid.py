"""The steps of a sensor table as one plan: what the single steps give, from file to file."""

import hashlib
import json
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from tasks.clean import chain, parts
from tasks.clean.params import Params
from tasks.core.errors import DataError, EngineUnavailable, ParamsError
from tasks.core.schema import ROW, Column, Columns, load_columns
from tasks.frames import engines, run
from tests.components.clean.test_parts import table

COLUMNS: Columns = {
    "t": Column(type="datetime", role="time"),
    "sensor": Column(type="category", role="group"),
    "temp": Column(type="float", unit="degF", min=0.0, max=75.0),
    "n": Column(type="integer", min=3),
    "co2": Column(type="float", role="target"),
}
WINDOWS, ROLLING = ["1h", "3h"], ["mean", "slope", "q90"]
STATISTICS = ["mean", "std", "last", "count"]
MEANS = ["temp_mean", "n_mean"]
ONE = {
    "grid": {
        "every": "15m",
        "statistics": STATISTICS,
        "to": {"degF": "degC"},
        "fill_rows": 3,
        "windows": WINDOWS,
        "rolling": ROLLING,
        "lags": ["15m", "1d"],
    }
}
SINGLE = [
    "types",
    {"sorted_unique": {"conflicts": "first"}},
    "range",
    {"units": {"convert": True}},
    {"fill_forward": {"limit": 3}},
    {"resample": {"every": "15m", "statistics": STATISTICS}},
    {
        "rolling": {
            "windows": ["1h", "3h"],
            "statistics": ["mean", "slope", "q90"],
            "columns": MEANS,
        }
    },
    {"lags": {"by": ["15m", "1d"], "columns": MEANS}},
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a file of seven sensors' rows: shuffled, with repeats, sentinels and gaps."""
    (tmp_path / "raw").mkdir()
    path = table(tmp_path / "raw")
    rows = pl.read_parquet(path).with_columns(n=pl.int_range(pl.len()) % 20)
    rows.select(ROW, *COLUMNS).write_parquet(path)
    return path


def steps(*given: object) -> list:
    return Params.model_validate({"steps": list(given)}).steps


def from_file(
    source: Path, folder: Path, *given: object
) -> tuple[pl.DataFrame, Columns, list[dict]]:
    out = folder / "out"
    out.mkdir(parents=True, exist_ok=True)
    accounts = parts.run(source, COLUMNS, steps(*given), "cpu", folder / "kept", out)
    return pl.read_parquet(out / "table.parquet"), load_columns(out), accounts


@pytest.mark.parametrize(("engine", "many"), [("compiled kernels", 0), ("Polars", 10**9)])
@pytest.mark.parametrize("grouped", [True, False])
def test_it_gives_what_the_single_steps_give(source, tmp_path, monkeypatch, engine, many, grouped):
    monkeypatch.setattr(engines, "MANY_ROWS", many)
    columns = COLUMNS if grouped else {n: c for n, c in COLUMNS.items() if n != "sensor"}
    raw = pl.read_parquet(source).select(ROW, *columns)
    if not grouped:
        raw = raw.unique("t", keep="first", maintain_order=True)  # at one time any could be first
    one, described, [account] = chain.run(raw, columns, steps(ONE))
    single, expected, accounts = chain.run(raw, columns, steps(*SINGLE))
    assert_frame_equal(one, single, rel_tol=1e-9)
    assert described == expected
    assert account["engine"].startswith(f"cpu: {engine}")
    found = {(f["what"], f["column"]): f for f in account["found"]}
    outside = found["outside its range", "temp"]
    assert outside["first_row"] == raw.filter(~pl.col("temp").is_between(0, 75))[ROW].min()
    told = Counter(f["what"] for f in account["found"])
    assert told["outside its range"] == 2
    gone = accounts[1]["rows_before"] - accounts[1]["rows_after"]
    assert found.get(("repeats of a series and time", ""), {"count": 0})["count"] == gone


def test_from_file_to_file_it_is_the_same_and_other_steps_follow(source, tmp_path):
    whole = chain.run(pl.read_parquet(source), COLUMNS, steps(ONE, "calendar"))
    made = from_file(source, tmp_path / "a", ONE, "calendar")
    assert_frame_equal(made[0], whole[0], check_exact=True)
    assert made[1:] == whole[1:]
    alone = from_file(source, tmp_path / "b", ONE)
    assert_frame_equal(alone[0], made[0].select(alone[0].columns), check_exact=True)
    assert [account["step"] for account in alone[2]] == ["grid"]


@pytest.mark.parametrize("many", [0, 10**9])
def test_killed_it_goes_on_behind_the_last_part_with_the_same_bytes(
    source, tmp_path, monkeypatch, many
):
    monkeypatch.setattr(engines, "MANY_ROWS", many)
    monkeypatch.setattr(run, "PART_BYTES", 100_000)
    straight = from_file(source, tmp_path / "straight", ONE)
    wrote, written = run._write, []

    def until_killed(*given):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(given)
        wrote(*given)

    monkeypatch.setattr(run, "_write", until_killed)
    with pytest.raises(KeyboardInterrupt):
        from_file(source, tmp_path / "killed", ONE)
    more = []
    monkeypatch.setattr(run, "_write", lambda *given: (more.append(given), wrote(*given)))
    again = from_file(source, tmp_path / "killed", ONE)
    assert len(more) == 4  # seven sensors, a part each
    assert again[1:] == straight[1:]
    digests = {
        hashlib.sha256((tmp_path / name / "out" / "table.parquet").read_bytes()).hexdigest()
        for name in ("straight", "killed")
    }
    assert len(digests) == 1


def test_a_target_is_put_together_as_params_say_and_its_past_if_they_do(source):
    raw = pl.read_parquet(source)
    many = {"grid": {"every": "1h", "target": "last", "of_target": True, "lags": ["1h"]}}
    made, described, _ = chain.run(raw, COLUMNS, steps(many))
    last = chain.run(
        raw, COLUMNS, steps("sorted_unique", {"resample": {"every": "1h", "target": "last"}})
    )[0]
    mean = chain.run(raw, COLUMNS, steps("sorted_unique", {"resample": {"every": "1h"}}))[0]
    assert_frame_equal(made.select("sensor", "t", "co2"), last.select("sensor", "t", "co2"))
    before = mean.select(pl.col("co2").shift().over("sensor").alias("co2_lag_1h"))
    assert_frame_equal(made.select("co2_lag_1h"), before)
    assert described["co2"].role == "target"
    assert described["co2_lag_1h"].role == "feature"


def test_rows_without_series_or_time_are_counted_and_left_out(source, tmp_path):
    rows = pl.read_parquet(source)
    nowhere = pl.col(ROW).is_in([5, 9])
    rows.with_columns(t=pl.when(~nowhere).then("t")).write_parquet(source)
    _, _, [account] = from_file(source, tmp_path, {"grid": {"every": "1h"}})
    [entry] = [f for f in account["found"] if f["what"] == "without series or time"]
    assert (entry["count"], entry["first_row"]) == (2, 5)
    assert account["rows_before"] == rows.height
    assert json.dumps(account)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"every": "7m"}, "expected whole seconds that divide a day"),
        ({"every": "1500ms"}, "expected whole seconds"),
        ({"windows": ["1h", "1h"]}, "windows: 1h stands there twice"),
        ({"windows": ["20m"]}, "20m: no whole number of steps of 15m"),
        ({"statistics": ["max"], "lags": ["15m"]}, "`statistics` needs mean"),
        ({"rolling": ["median"]}, "rolling: unknown statistics median"),
        ({"to": {"degF": "hPa"}}, "degF is a temperature, hPa a pressure"),
    ],
)
def test_params_that_do_not_fit_are_refused(params, said):
    with pytest.raises(ValidationError, match=said):
        steps({"grid": params})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n": {"role": "group"}}, "at most one column of role group, found sensor, n"),
        (
            {"temp": {"role": "ignore"}, "n": {"role": "ignore"}, "co2": {"role": "ignore"}},
            "numeric",
        ),
        ({"t": {"role": "feature"}}, "expected one column of role `time`"),
    ],
)
def test_tables_that_do_not_fit_are_refused(source, change, said):
    columns = {n: c.model_copy(update=change.get(n, {})) for n, c in COLUMNS.items()}
    with pytest.raises(ParamsError, match=said):
        chain.run(pl.read_parquet(source), columns, steps("grid"))


def small(**columns: list) -> pl.DataFrame:
    """Return a row every five minutes, with row numbers."""
    n = len(next(iter(columns.values())))
    times = pl.datetime_range(
        datetime(2026, 1, 1),
        datetime(2026, 1, 1) + timedelta(minutes=5 * (n - 1)),
        "5m",
        eager=True,
    )
    return pl.DataFrame({"t": times, **columns}).with_row_index(ROW, offset=1)


TIME: Columns = {"t": Column(type="datetime", role="time")}
FLOAT, TARGET = Column(type="float"), Column(type="float", role="target", unit="degF")


def test_the_target_is_neither_filled_nor_converted_nor_limited():
    columns = TIME | {"a": FLOAT, "y": TARGET}
    raw = small(a=[1.0, None, 3.0], y=[50.0, None, 54.0])
    made, described, _ = chain.run(
        raw, columns, steps({"grid": {"every": "5m", "fill_rows": 3, "to": {"degF": "degC"}}})
    )
    assert made["y"].to_list() == [50.0, None, 54.0]
    assert made["a"].to_list() == [1.0, 1.0, 3.0]
    assert described["y"].unit == "degF"
    with pytest.raises(ParamsError, match=r"limits.y: a target cannot be made missing"):
        chain.run(raw, columns, steps({"grid": {"limits": {"y": {"max": 1}}}}))


@pytest.mark.parametrize("many", [0, 10**9])
def test_columns_named_like_results_keep_their_values(monkeypatch, many):
    monkeypatch.setattr(engines, "MANY_ROWS", many)
    columns = TIME | {"a": FLOAT, "a_mean": FLOAT}
    raw = small(a=[1.0, 2.0, 3.0, 7.0], a_mean=[10.0, 20.0, 30.0, 70.0])
    given = {"every": "5m", "lags": ["5m"], "windows": ["10m"], "rolling": ["mean"]}
    made, _, _ = chain.run(raw, columns, steps({"grid": given}))
    for name in ("a", "a_mean"):
        assert made[name].to_list() == raw[name].to_list()
        assert made[f"{name}_lag_5m"].to_list()[1:] == raw[name].to_list()[:-1]
    given["statistics"] = ["mean", "max"]
    columns = TIME | {"a": FLOAT, "a_mean_lag_5m": FLOAT}
    raw = raw.rename({"a_mean": "a_mean_lag_5m"})
    chain.run(raw, columns, steps({"grid": given}))
    with pytest.raises(ParamsError, match=r"a_lag_5m: two columns would have this name"):
        chain.run(
            raw.rename({"a_mean_lag_5m": "a_lag_5m"}),
            TIME | {"a": FLOAT, "a_lag_5m": FLOAT},
            steps({"grid": {"every": "5m", "lags": ["5m"]}}),
        )


def test_what_it_cannot_do_it_says(source):
    raw = small(a=[1.0, 2.0], y=["on", "off"])
    state = TIME | {"a": FLOAT, "y": Column(type="category", role="target")}
    with pytest.raises(ParamsError, match="target y is no number; `resample` takes it"):
        chain.run(raw, state, steps("grid"))
    there = small(a=[1.0, 2.0]).with_columns(pl.col("t").dt.replace_time_zone("Europe/Brussels"))
    with pytest.raises(ParamsError, match="steps of 6h are not even in Europe/Brussels"):
        chain.run(there, TIME | {"a": FLOAT}, steps({"grid": {"every": "6h"}}))
    with pytest.raises(EngineUnavailable, match="cudf needs a GPU"):
        chain.run(raw.drop("y"), TIME | {"a": FLOAT}, steps("grid"), demanded=True)
    never = small(a=[1.0, 2.0]).with_columns(t=pl.lit(None, pl.Datetime("us")))
    never.write_parquet(source)
    given = (source, TIME | {"a": FLOAT}, steps("grid"), "cpu", source.parent / "kept")
    with pytest.raises(DataError, match="step 'grid' left none of 2 rows"):
        parts.run(*given, source.parent)


def test_in_parts_after_another_step_it_tells_the_same_rows(source, tmp_path, monkeypatch):
    rows = pl.read_parquet(source)
    rows = rows.with_columns(sensor=pl.when(pl.col("sensor") != "s3").then("sensor"))
    rows.write_parquet(source)  # a part has no key
    whole = from_file(source, tmp_path / "whole", "types", ONE)
    monkeypatch.setattr(parts, "PART_ROWS", 2500)
    split = from_file(source, tmp_path / "split", "types", ONE)
    assert split[2][0]["parts"] > 2
    assert_frame_equal(split[0], whole[0], check_exact=True)
    told = [sorted(json.dumps(f) for f in found[2][1]["found"]) for found in (split, whole)]
    assert told[0] == told[1]


def test_what_was_cut_otherwise_before_is_not_read(source, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "PART_BYTES", 100_000)
    many = from_file(source, tmp_path, ONE)
    monkeypatch.setattr(run, "PART_BYTES", 10**9)
    assert_frame_equal(from_file(source, tmp_path, ONE)[0], many[0], check_exact=True)


def test_integers_and_enums_stay_what_they_are(source):
    order = pl.Enum(["zz", "aa"])
    raw = small(a=[1, 2, 3, 4], k=["aa", "zz", "aa", "zz"]).cast({"k": order, "a": pl.Int32})
    columns = TIME | {"a": Column(type="integer"), "k": Column(type="category", role="group")}
    given = {"statistics": ["last", "count"], "every": "1h"}
    made, _, _ = chain.run(raw, columns, steps({"grid": given}))
    single, _, _ = chain.run(raw, columns, steps("sorted_unique", {"resample": given}))
    assert_frame_equal(made, single)


def test_lags_of_a_target_are_of_its_mean(source):
    columns = TIME | {"y": Column(type="integer", role="target")}
    given = {"every": "10m", "target": "last", "of_target": True, "lags": ["10m"]}
    made, described, _ = chain.run(small(y=[1, 2, 3, 5]), columns, steps({"grid": given}))
    assert made["y"].to_list() == [2, 5]
    assert made["y_lag_10m"].to_list() == [None, 1.5]
    assert described["y_lag_10m"].type == "float"


@pytest.mark.parametrize("many", [0, 10**9])
def test_a_wrong_year_is_refused_before_it_fills_the_memory(source, tmp_path, monkeypatch, many):
    monkeypatch.setattr(engines, "MANY_ROWS", many)
    rows = pl.read_parquet(source)
    wrong = pl.when(pl.col(ROW) == 7).then(pl.lit(datetime(1900, 1, 1))).otherwise("t")
    rows.with_columns(t=wrong).write_parquet(source)
    with pytest.raises(DataError, match=r"clean.steps.grid: Series 's\d' has .* Is a time wrong"):
        from_file(source, tmp_path, {"grid": {"every": "1m"}})
