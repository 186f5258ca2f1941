"""What the steps for sensor tables do to values, and what they find."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from tasks.clean import chain
from tasks.clean.params import Params, looking_ahead
from tasks.core.errors import DataError, ParamsError
from tasks.core.plugins import Plugin
from tasks.core.quantities import unit_of
from tasks.core.schema import ROW, Column, Columns

START = datetime(2026, 1, 1)
FLOAT = Column(type="float")
TIME = Column(type="datetime", role="time")
GROUP = Column(type="category", role="group")


def series(step: str = "1m", start: datetime = START, **cells) -> tuple[pl.DataFrame, Columns]:
    """Return a table of one series, a row a step, and its columns."""
    rows = len(next(iter(cells.values())))
    times = [start + i * timedelta(minutes=int(step[:-1])) for i in range(rows)]
    frame = pl.DataFrame({ROW: pl.Series(range(1, rows + 1), dtype=pl.UInt32), "t": times, **cells})
    columns: Columns = {"t": TIME}
    columns |= {n: GROUP if frame.schema[n] == pl.String else FLOAT for n in cells}
    return frame, columns


def apply(name: str, table: pl.DataFrame, columns: Columns, /, **params):
    """Return the table after a step, the columns, and what was found."""
    step = Plugin(kind="clean_step", name=name, params=params)
    after, made, (account,) = chain.run(table, columns, [step])
    found = [(f["what"], f["column"], f["detail"], f["count"]) for f in account.get("found", [])]
    return after, made, found


def test_sentinels_are_those_far_from_all_else():
    values = [20.0, 21, 22, -9999, 21, 20, 65535, 22] * 4
    frame, columns = series(temp=values, level=[990.0, 999, 1005, 998] * 8)
    after, _, found = apply("sentinels", frame, columns)
    assert after["temp"].to_list() == [None if abs(v) > 1000 else v for v in values]
    assert after["level"].equals(frame["level"])
    assert ("sentinel", "temp", "-9999", 4) in found
    assert ("sentinel", "temp", "65535", 4) in found
    after, _, _ = apply("sentinels", frame, columns, values=[21], detect=False, columns=["temp"])
    assert after["temp"].null_count() == 8


def test_sentinels_are_judged_series_by_series():
    frame, columns = series(
        x=[-9999.0] * 30 + [-95.0, -101.0, -99.0] * 100, g=["a"] * 30 + ["b"] * 300
    )
    after, _, _ = apply("sentinels", frame, columns)
    assert after.filter(pl.col("g") == "a")["x"].null_count() == 30
    assert after.filter(pl.col("g") == "b")["x"].null_count() == 0


def test_a_sentinel_is_judged_by_what_was_before_it():
    rng = np.random.default_rng(4)
    x = rng.normal(20, 1, 400)
    x[[50, 150, 399]] = -99.0  # 100 values tell what is usual; before that -99 is let be
    frame, columns = series(x=x)
    after, _, _ = apply("sentinels", frame, columns)
    assert np.flatnonzero(after["x"].is_null().to_numpy()).tolist() == [150, 399]


def test_a_sentinel_of_a_short_series_is_told_and_stays():
    x = np.random.default_rng(4).normal(21, 1, 60)
    x[[20, 40]] = -99.0
    frame, columns = series(x=x, y=x, level=[990.0, 999, 1005] * 20)
    columns["y"] = Column(type="float", role="target")
    after, _, found = apply("sentinels", frame, columns)
    assert after.equals(frame)
    assert found == [
        ("likely sentinel (stays; `values`)", "x", "-99", 2),
        ("sentinel in the target (stays)", "y", "-99", 2),
    ]
    after, _, found = apply("sentinels", frame, columns, values=[-99])
    assert after["x"].null_count() == 2
    assert found[0] == ("sentinel", "x", "-99", 2)


def test_a_zero_is_missing_where_it_cannot_be_and_the_temperature_beside_it():
    frame, columns = series(humidity=[40.0, 0, 41], temp=[0.0, 0.0, 1.0], rain=[0.0, 0, 0])
    after, _, _ = apply("sentinels", frame, columns)
    assert after["humidity"].to_list() == [40, None, 41]
    assert after["temp"].to_list() == [0, None, 1]
    assert after["rain"].to_list() == [0, 0, 0]
    assert apply("sentinels", frame, columns, zeros=False)[0].equals(frame)


def test_a_zero_of_a_trend_is_a_value_with_a_unit_or_without():
    zeros = {"pressureTrend": [0.0, 0.1, 0.0], "humidity_std": [0.0, 0.4, 0.1]}
    frame, columns = series(**zeros, dewptAvg=[0.0, 1.0, 0.0], heatindexAvg=[0.0, 2.0, 1.0])
    assert apply("sentinels", frame, columns)[0].equals(frame)
    columns |= {
        "pressureTrend": Column(type="float", unit="hPa"),
        "humidity_std": Column(type="float", unit="%"),
    }
    assert apply("sentinels", frame, columns)[0].equals(frame)
    assert not apply("units", frame, columns)[2]


def test_a_temperature_is_known_by_a_unit_in_its_name():
    frame, columns = series(**{"T (C)": [0.0, 21.0], "RH (%)": [0.0, 40.0], "t (min)": [0.0, 1.0]})
    after, _, _ = apply("sentinels", frame, columns)
    assert after.drop(ROW, "t").rows() == [(None, None, 0), (21, 40, 1)]


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        *((text, "mg/m3") for text in ("mg/m³", "mg/m^3", "MG/M3")),
        *((text, "ug/m3") for text in ("ug/m³", "µg/m³", "μg/m^3", "ug/m^3")),
        *(
            ("km/hr", "km/h"),
            ("in. Hg", "inHg"),
            ("°K", "K"),
            ("% RH", "%"),
            ("hectopascal", "hPa"),
        ),
        *(("lx", "lx"), ("lux", "lx"), ("℃", "degC"), ("delta_degF", "delta_degF")),
    ],
)
def test_units_are_known_as_people_write_them(text, unit):
    assert unit_of(text) == unit


def test_saturated_runs_are_told_and_taken_out_if_wanted():
    rng = np.random.default_rng(0)
    values = np.round(rng.normal(50, 10, 200), 1)
    values[60:100] = 99.9
    frame, columns = series(x=values)
    after, _, found = apply("sentinels", frame, columns, run=30)
    assert after.equals(frame)
    assert ("saturated (stays)", "x", "99.9", 40) in found
    after, _, _ = apply("sentinels", frame, columns, run=30, saturated="missing")
    assert after["x"].null_count() == 40


def test_units_convert_what_was_declared_and_its_limits():
    frame, columns = series(t1=[32.0, 212.0], p=[29.92, 30.0], w=[10.0, 3.6])
    columns["t1"] = Column(type="float", unit="°F", min=-40, max=212)
    columns["p"] = Column(type="float", unit="inHg")
    after, made, found = apply("units", frame, columns, convert=True, declared={"w": "km/h"})
    assert after["t1"].to_list() == pytest.approx([0, 100])
    assert after["p"].to_list() == pytest.approx([1013.21, 1015.92], abs=0.01)
    assert after["w"].to_list() == pytest.approx([2.7778, 1.0], abs=1e-4)
    assert (made["t1"].unit, made["t1"].min, made["t1"].max) == ("degC", -40, pytest.approx(100))
    assert ("converted", "t1", "degF to degC", 2) in found
    assert apply("units", frame, columns)[0].equals(frame)
    again, same, _ = apply("units", after, made, convert=True)
    assert again.equals(after)
    assert same == made


@pytest.mark.parametrize(
    "made",
    [
        [{"daily": {}}],
        [{"resample": {"every": "1h", "statistics": ["mean", "std", "sum"]}}],
        [{"resample": {"every": "1m"}}, {"rolling": {"windows": ["5m"], "statistics": ["std"]}}],
        [{"resample": {"every": "1m"}}, {"differences": {"by": ["1m", "1h"]}}],
        [{"grid": {"every": "1h", "statistics": ["mean", "std"], "windows": ["3h"]}}],
    ],
)
def test_a_spread_or_a_difference_is_converted_without_the_offset(made):
    rng = np.random.default_rng(5)
    frame, columns = series(temp=70 + rng.normal(0, 3, 300))
    columns["temp"] = Column(type="float", unit="degF")
    units = {"units": {"convert": True, "to": {"degF": "degC"}}}
    before, after = (
        chain.run(frame, columns, Params.model_validate({"steps": steps}).steps)
        for steps in ([units, *made], [*made, units])
    )
    assert {n: c.unit for n, c in after[1].items()} == {n: c.unit for n, c in before[1].items()}
    same = [n for n in before[0].columns if not n.endswith("_sum")]
    assert_frame_equal(after[0].select(same), before[0].select(same))
    spread = [n for n, c in after[1].items() if c.unit == "delta_degC"]
    assert spread
    assert all(abs(after[0][n].mean()) < 4 for n in spread)
    again, _, found = apply("units", *after[:2], convert=True)
    assert again.equals(after[0])
    assert not found


@pytest.mark.parametrize(
    ("name", "unit", "values", "said"),
    [
        ("temp", "degC", [70.0, 71, 72], "declared degC, the median 71 looks like degF"),
        ("temp", "degF", [14.0, 15, 16], "declared degF, the median 15 looks like degC"),
        ("temp", None, [70.0, 71, 72], "no unit declared, the median 71 looks like degF"),
        ("temp", "K", [20.0, 21, 22], "declared K, the median 21 looks like degC"),
        ("pressure", "hPa", [29.9, 30, 30.1], "declared hPa, the median 30 looks like inHg"),
        ("press", "hPa", [755.0, 756, 757], None),  # a station at 2,400 m: 756 hPa is possible
        ("humidity", "%", [0.4, 0.5, 0.6], "declared %, the median 0.5 looks like 1"),
        ("co2", "ppb", [500.0, 510, 520], "declared ppb, the median 510 looks like ppm"),
        ("temp", "degC", [20.0, 21, 22], None),
        ("wind", "mph", [3.0, 4, 5], None),
        ("pressureTrend", "hPa", [0.0, 0.1, -0.1], None),
    ],
)
def test_a_likely_mix_up_of_units_is_told(name, unit, values, said):
    frame, columns = series(**{name: values})
    columns[name] = Column(type="float", unit=unit)
    after, _, found = apply("units", frame, columns)
    assert after.equals(frame)
    assert [f[2] for f in found if f[0] == "likely unit mix-up"] == ([said] if said else [])
    if said:
        with pytest.raises(DataError, match="likely mix-ups"):
            apply("units", frame, columns, mix_up="error")


def test_a_change_of_units_within_a_series_is_told_with_its_row():
    rng = np.random.default_rng(1)
    celsius = 20 + np.cumsum(rng.normal(0, 0.1, 300))
    values = np.where(np.arange(300) >= 200, celsius * 1.8 + 32, celsius)
    frame, columns = series(temp=[*values, *celsius], g=["a"] * 300 + ["b"] * 300)
    columns["temp"] = Column(type="float", unit="degC")
    _, _, found = apply("units", frame, columns, convert=True)
    assert found == [
        ("unit changes within the series", "temp", "a: from degC to degF at 2026-01-01 03:20:00", 1)
    ]


def test_units_that_take_turns_are_counted_by_pair_behind_the_likely_mix_up():
    rng = np.random.default_rng(1)
    celsius = 24 + rng.normal(0, 0.1, 3000)
    values = np.where(np.arange(3000) // 10 % 2 == 1, celsius * 1.8 + 32, celsius)
    frame, columns = series(temp=[*values, *(values + 0.1)], g=["a"] * 3000 + ["b"] * 3000)
    columns["temp"] = Column(type="float", unit="K")
    _, _, found = apply("units", frame, columns)
    assert [f[0] for f in found[:2]] == ["likely unit mix-up"] * 2
    changes = [f for f in found if f[0].startswith("unit changes")]
    assert [(f[2].split(" at ")[0], f[3]) for f in changes] == [
        ("a: from degC to degF first", 150),
        ("b: from degC to degF first", 150),
        ("a: from degF to degC first", 149),
        ("b: from degF to degC first", 149),
    ]


def test_a_clock_is_made_of_parts_or_of_a_number():
    frame = pl.DataFrame(
        {
            ROW: pl.Series([1, 2], dtype=pl.UInt32),
            "year": [2013, 2016],
            "month": [3, 2],
            "day": [1, 29],
            "hour": [0, 23],
            "ms": [1458031648545, 0],
        }
    )
    columns = {n: Column(type="integer") for n in frame.columns if n != ROW}
    after, made, _ = apply("clock", frame, columns, parts=["year", "month", "day", "hour"])
    assert after["time"].to_list() == [datetime(2013, 3, 1), datetime(2016, 2, 29, 23)]
    assert made["time"].role == "time"
    assert "year" not in made
    after, _, _ = apply("clock", frame, columns, epoch="ms", unit="ms", name="ms")
    assert after["ms"].to_list() == [datetime(2016, 3, 15, 8, 47, 28, 545000), datetime(1970, 1, 1)]
    with pytest.raises(ParamsError, match="has the role `time` already"):
        apply("clock", frame, columns | {"ms": TIME}, parts=["year", "month", "day"])
    with pytest.raises(ParamsError, match="unknown column 'yaer'"):
        apply("clock", frame, columns, parts=["yaer", "month", "day"])


def local(*texts: str) -> tuple[pl.DataFrame, Columns]:
    times = [datetime.fromisoformat(text) for text in texts]
    frame = pl.DataFrame(
        {ROW: pl.Series(range(1, len(times) + 1), dtype=pl.UInt32), "t": times, "x": 1.0}
    )
    return frame, {"t": TIME, "x": FLOAT}


def test_both_turns_of_daylight_saving():
    zone = {"zone": "Europe/Brussels"}
    frame, columns = local(
        *("2025-10-26T01:30", "2025-10-26T02:00", "2025-10-26T02:30"),  # summer time
        *("2025-10-26T02:00", "2025-10-26T02:30", "2025-10-26T03:00"),  # winter time
    )
    after, made, found = apply("time_zone", frame, columns, **zone)
    assert after["t"].diff().drop_nulls().unique().to_list() == [timedelta(minutes=30)]
    assert after["t"][0] == datetime(2025, 10, 25, 23, 30)
    assert ("in the hour that comes twice", "t", "taken: by_order", 4) in found
    assert not [f for f in found if f[0] == "time goes back"]
    assert apply("time_zone", after, made, **zone)[0].equals(after)
    frame, columns = local("2026-03-29T01:30", "2026-03-29T02:15", "2026-03-29T03:00")
    after, _, found = apply("time_zone", frame, columns, **zone)
    assert after["t"].to_list() == [
        datetime(2026, 3, 29, h, m) for h, m in ((0, 30), (1, 15), (1, 0))
    ]
    assert ("in the hour that does not come", "t", "taken: not_set", 1) in found
    after, _, _ = apply("time_zone", frame, columns, **zone, absent="missing")
    assert after["t"].null_count() == 1


def autumn(minutes: int = 10) -> tuple[pl.DataFrame, Columns]:
    """Return readings of a night in which an hour comes twice, by the clock on the wall."""
    before = datetime(2025, 10, 25, 22)
    utc = pl.datetime_range(before, before + timedelta(hours=6), f"{minutes}m", eager=True)
    wall = utc.dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Brussels")
    frame = pl.DataFrame({"true": utc, "t": wall.dt.replace_time_zone(None)})
    frame = frame.with_columns(x=pl.int_range(pl.len()).cast(pl.Float64))
    return frame, {"true": Column(role="ignore"), "t": TIME, "x": FLOAT}


def as_sent(frame: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """Return rows with the times that a step makes of the clock on the wall's."""
    numbered = frame.with_row_index(ROW, offset=1)
    return apply("time_zone", numbered, columns, zone="Europe/Brussels")[0]


@pytest.mark.parametrize("minutes", [5, 20, 30, 60])
@pytest.mark.parametrize("order", ["as it came", "newest first", "by the clock on the wall"])
def test_the_hour_that_comes_twice_in_any_order(order, minutes):
    frame, columns = autumn(minutes)
    if order == "newest first":
        frame = frame.reverse()
    elif order == "by the clock on the wall":
        frame = frame.sort("t", maintain_order=True)
    after = as_sent(frame, columns)
    assert after["t"].equals(after["true"], check_names=False)


@pytest.mark.parametrize("late", [0, 1, 2])
def test_a_row_of_the_hour_that_comes_twice_that_is_sent_twice(late):
    frame, columns = autumn()
    wall = frame["t"].to_list()
    for at in range(wall.index(datetime(2025, 10, 26, 2)), len(wall) - late - 1):
        head, tail = frame.head(at + 1 + late), frame.slice(at + 1 + late)
        after = as_sent(pl.concat([head, frame.slice(at, 1), tail]), columns)
        assert after["t"].equals(after["true"], check_names=False), at


def test_a_constant_in_the_hour_that_comes_twice_of_a_sorted_table():
    frame, columns = local(*[f"2025-10-26T02:{m:02}" for m in range(0, 60, 10) for _ in range(2)])
    after, _, _ = apply("time_zone", frame, columns, zone="Europe/Brussels")
    known = after["t"].unique().sort().to_list()  # 02:00 looks sent twice, the rest does not
    start = datetime(2025, 10, 26)
    assert known == [start + timedelta(minutes=m) for m in range(0, 120, 10) if m != 60]


def test_a_clock_that_was_set_back_is_told():
    frame, columns = local("2026-01-01T10:00", "2026-01-01T10:30", "2026-01-01T09:45")
    _, _, found = apply("time_zone", frame, columns)
    assert found == [("time goes back", "t", "by 0:45:00", 1)]


def test_order_repeats_and_contradictions():
    frame = pl.DataFrame(
        {
            ROW: pl.Series(range(1, 8), dtype=pl.UInt32),
            "t": [START + timedelta(minutes=m) for m in (5, 0, 0, 0, 1, 9, 0)],
            "g": ["b", "b", "b", "b", "b", "b", "a"],
            "x": [5.0, 1, 1, 3, 2, 9, 7],
        }
    )
    columns = {"t": TIME, "g": GROUP, "x": FLOAT}
    after, _, found = apply("sorted_unique", frame, columns)
    assert after["x"].to_list() == [7, 1, 2, 5, 9]
    assert after[ROW].to_list() == [7, 2, 5, 1, 6]
    assert ("row repeats an earlier one", "t", "removed", 1) in found
    assert ("row contradicts an earlier one", "t", "first taken", 1) in found
    assert ("row came out of order", "t", "sorted", 4) in found
    assert [f[3] for f in found if f[0] == "gap"] == [2]
    assert apply("sorted_unique", frame, columns, conflicts="last")[0]["x"][1] == 3
    assert apply("sorted_unique", frame, columns, conflicts="mean")[0]["x"][1] == 2  # of 1 and 3
    with pytest.raises(
        DataError, match="1 rows contradict an earlier one of the same g and t: rows 4"
    ):
        apply("sorted_unique", frame, columns, conflicts="error")


def test_directions_that_contradict_each_other_are_averaged_as_vectors():
    frame = pl.DataFrame(
        {
            ROW: pl.Series([1, 2], dtype=pl.UInt32),
            "t": [START, START],
            "winddirAvg": [68.0, 326.0],
            "temp": [20.0, 22.0],
        }
    )
    columns = {"t": TIME, "winddirAvg": FLOAT, "temp": FLOAT}
    after, _, _ = apply("sorted_unique", frame, columns, conflicts="mean", circular=["winddirAvg"])
    assert after.row(0)[2:] == (pytest.approx(17), 21)
    after, _, _ = apply("sorted_unique", frame, columns, conflicts="mean")
    assert after.row(0)[2:] == (68, 21)  # the name says a direction: no mean of numbers
    with pytest.raises(ParamsError, match="unknown column 'wind'"):
        apply("sorted_unique", frame, columns, circular=["wind"])


def test_stuck_is_what_lasts_too_long_where_it_usually_changes():
    rng = np.random.default_rng(2)
    x = rng.normal(size=400)
    x[100:300] = 7.0
    frame, columns = series(x=x, state=[1.0] * 400, rain=[0.0] * 400)
    after, _, found = apply("stuck", frame, columns, longest="1h")
    gone = np.flatnonzero(after["x"].is_null().to_numpy())
    assert gone.tolist() == list(range(161, 300))  # 61 minutes are longer than an hour
    assert after["state"].null_count() == 0
    assert ("stuck", "x", "7", 139) in found
    assert ("never changes (stays)", "state", "", 400) in found
    whole = apply("stuck", frame, columns, longest="1h", whole=True)[0]
    assert whole["x"].null_count() == 200


def test_a_value_seen_again_behind_an_outage_is_not_stuck():
    x = np.random.default_rng(2).normal(size=200)
    x[101] = x[100]
    frame, columns = series("10m", x=x)
    outage = pl.when(pl.col(ROW) > 101).then(timedelta(hours=10)).otherwise(timedelta())
    after, _, found = apply("stuck", frame.with_columns(pl.col("t") + outage), columns)
    assert after["x"].null_count() == 0
    assert not found
    x[101:160] = x[100]
    frame, columns = series("10m", x=x)
    after, _, _ = apply("stuck", frame.with_columns(pl.col("t") + outage), columns)
    gone = np.flatnonzero(after["x"].is_null().to_numpy())
    assert gone.tolist() == list(range(138, 160))  # six hours behind the outage


def test_spikes_go_and_new_levels_stay():
    rng = np.random.default_rng(3)
    x = 20 + rng.normal(0, 0.1, 600)
    x[300] = 60.0
    x[400:] += 10
    frame, columns = series(x=x)
    for params in ({}, {"centred": True}):
        after, _, found = apply("spikes", frame, columns, threshold=10, **params)
        gone = np.flatnonzero(after["x"].is_null().to_numpy())
        assert 300 in gone
        assert len(gone) <= 4
        assert found[0][0] == "spike"
    kept, _, told = apply("spikes", frame, columns, threshold=10, action="report")
    assert kept.equals(frame)
    assert told[0][0] == "spike (stays)"


def test_gaps_are_filled_up_to_a_limit():
    x = [1.0, None, None, None, 5.0, None, None, 8.0]
    frame, columns = series("10m", x=x)
    after, _, found = apply("fill_gaps", frame, columns, longest="20m")
    assert after["x"].to_list() == [1, 1, 1, None, 5, 5, 5, 8]
    assert found == [("filled, forward", "x", "", 4), ("stays missing", "x", "", 1)]
    after, made, _ = apply("fill_gaps", frame, columns, longest="30m", method="linear", flag=True)
    assert after["x"].to_list() == [1, None, None, None, 5, 6, 7, 8]
    assert after["x_filled"].to_list() == [False] * 5 + [True] * 2 + [False]
    assert made["x_filled"].type == "boolean"
    shuffled = frame.sample(fraction=1, shuffle=True, seed=1)
    filled, _, _ = apply("fill_gaps", shuffled, columns, longest="20m")
    assert filled.sort(ROW)["x"].to_list() == [1, 1, 1, None, 5, 5, 5, 8]


def test_resample_is_what_plain_python_gives():
    frame, columns = series(x=[1.0, 3, None, 5, 7, 9, None, None], state=["a"] * 7 + ["b"])
    columns["state"] = Column(type="category")
    frame = frame.with_columns(
        t=pl.Series([START + timedelta(minutes=m) for m in (0, 4, 6, 8, 9, 21, 32, 39)])
    )
    after, made, found = apply(
        "resample", frame, columns, every="10m", statistics=["mean", "sum", "count"]
    )
    assert after["t"].to_list() == [START + timedelta(minutes=m) for m in (0, 10, 20, 30)]
    assert after["x_mean"].to_list() == [4, None, 9, None]
    assert after["x_sum"].to_list() == [16, None, 9, None]
    assert after["x_count"].to_list() == [4, None, 1, 0]
    assert after["state"].to_list() == ["a", None, "a", "b"]
    assert after[ROW].to_list() == [1, 2, 3, 4]
    assert made["x_count"].type == "integer"
    assert ("periods without a row", "t", "10m", 1) in found
    half = apply("resample", frame, columns, every="10m", step="2m", min_share=0.7)[0]
    assert half["x"].to_list() == [4, None, None, None]


def test_the_mean_of_directions_is_a_direction():
    frame, columns = series(wind=[350.0, 10.0, 90.0, 90.0, 350.0, 340.0])
    after, _, _ = apply("resample", frame, columns, every="2m", circular=["wind"])
    assert after["wind"][0] == pytest.approx(0, abs=1e-9) or after["wind"][0] == pytest.approx(360)
    assert after["wind"].to_list()[1:] == pytest.approx([90, 345])


def test_days_and_nights_are_those_of_the_clock_on_the_wall():
    frame, columns = series("60m", start=datetime(2026, 1, 1), x=[float(h) for h in range(72)])
    tokyo = {"zone": "Asia/Tokyo", "statistics": ["count", "min"]}
    after, _, _ = apply("daily", frame, columns, **tokyo)
    assert after["x_count"].to_list() == [15, 24, 24, 9]  # Tokyo is nine hours ahead
    assert after["t"][1] == datetime(2026, 1, 2)
    after, _, found = apply("nights", frame, columns, statistics=["count", "min", "max"])
    assert after["t"].to_list() == [datetime(2026, 1, day) for day in (1, 2, 3, 4)]
    assert after["x_count"].to_list() == [7, 9, 9, 2]
    assert (after["x_min"][1], after["x_max"][1]) == (22, 30)  # from 22:00 to 06:00 of the 2nd
    assert found == [("nights", "t", "22:00 to 07:00, UTC", 4)]
    noon, _, _ = apply("nights", frame, columns, begin="12:00", end="14:00", statistics=["mean"])
    assert noon["x"].to_list() == [12.5, 36.5, 60.5]


@pytest.mark.parametrize("step", ["nights", "daily"])
@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Asia/Tokyo", "UTC"])
def test_a_record_that_names_its_day_is_of_that_day_in_every_zone(step, zone):
    days = [datetime(2025, 7, day) for day in (1, 2, 3)]
    noons = [day + timedelta(hours=16) for day in days]  # of the same day in each of the zones
    frame = pl.DataFrame(
        {
            ROW: pl.Series(range(1, 7), dtype=pl.UInt32),
            "t": [*days, *noons],
            "score": [71.0, 72, 73, None, None, None],
            "temp": [None, None, None, 20.0, 21, 22],
        }
    )
    columns: Columns = {"t": TIME, "score": FLOAT, "temp": FLOAT}
    hours = {"begin": "10:00", "end": "02:00"} if step == "nights" else {}
    params = {"zone": zone, "of_the_day": ["score"], "statistics": ["mean"], **hours}
    after, _, found = apply(step, frame, columns, **params)
    scored = after.drop_nulls("score")
    assert scored["t"].to_list() == days
    assert scored["score"].to_list() == [71, 72, 73]
    assert not [each for each in found if each[0].startswith("likely")]
    utc = columns | {"t": TIME.model_copy(update={"unit": "UTC"})}  # times by `time_zone`
    moved = apply(step, frame, utc, **params)[0].drop_nulls("score")["t"].to_list()
    assert moved == [day - timedelta(days=zone == "America/New_York") for day in days]


def test_a_record_of_its_day_that_a_zone_moves_is_told():
    frame, columns = series("1440m", start=datetime(2025, 7, 1), score=[71.0, 72, 73])
    _, _, found = apply("daily", frame, columns, zone="America/New_York")
    said = "stands at 0:00 alone, the day before in America/New_York: `of_the_day`?"
    assert found == [("likely a record of its day", "score", said, 3)]
    assert not apply("daily", frame, columns, zone="Asia/Tokyo")[2]


def test_windows_lags_and_differences_need_a_grid():
    x = [float(v) for v in (1, 2, 4, 8, 16, 32)]
    frame, columns = series("10m", x=x)
    after, made, _ = apply("rolling", frame, columns, windows=["20m"], statistics=["mean", "slope"])
    assert after["x_20m_mean"].to_list() == [1, 1.5, 3, 6, 12, 24]
    assert after["x_20m_slope"].to_list()[1:] == [6, 12, 24, 48, 96]  # per hour
    assert list(made) == [c for c in after.columns if c != ROW]
    after, _, _ = apply("lags", frame, columns, by=["10m", "1h"])
    assert after["x_lag_10m"].to_list() == [None, 1, 2, 4, 8, 16]
    assert after["x_lag_1h"].null_count() == 6
    after, _, _ = apply("differences", frame, columns, by=["20m"])
    assert after["x_change_20m"].to_list() == [None, None, 3, 6, 12, 24]
    with pytest.raises(
        DataError, match="expected a regular grid, found steps of 0:10:00 to 0:20:00"
    ):
        apply("lags", frame.filter(pl.col("x") != 4), columns, by=["10m"])
    with pytest.raises(ParamsError, match="15m is no whole number of the grid's steps"):
        apply("lags", frame, columns, by=["15m"])


def test_two_group_columns_tell_series_apart():
    frame, columns = series("10m", x=[float(v) for v in range(12)], g=list("aaaaaabbbbbb"))
    frame = frame.with_columns(h=pl.Series(list("xxxyyyxxxyyy")))
    columns["h"] = GROUP
    after, _, _ = apply("lags", frame, columns, by=["10m"])
    assert after.filter(pl.col("x_lag_10m").is_null())["x"].to_list() == [0, 3, 6, 9]
    assert after.columns == [*frame.columns, "x_lag_10m"]


def test_the_calendar_has_midnight_beside_midnight():
    frame, columns = local("2026-01-01T23:50", "2026-01-02T00:10", "2026-01-02T12:00")
    after, _, _ = apply("calendar", frame, columns, harmonics=2)
    cosine = after["time_of_day_cos"].to_list()
    assert cosine[0] == pytest.approx(cosine[1], abs=1e-6)
    assert cosine[2] == pytest.approx(-1)
    assert after["time_of_day_2_cos"][2] == pytest.approx(1)
    assert after["time_of_day_cos"].dtype == pl.Float32
    brussels = apply("calendar", frame, columns, zone="Europe/Brussels", cycles=["day"])[0]
    assert brussels["time_of_day_sin"][2] == pytest.approx(np.sin(13 / 24 * 2 * np.pi), abs=1e-6)


def test_a_window_around_a_value_is_as_wide_as_its_own_series_needs():
    levels = np.random.default_rng(1).normal(20, 0.1, 200)
    levels[[50, 150]] = 30
    series = {
        "fast": timedelta(minutes=1),
        "slow": timedelta(minutes=10),
        "rare": timedelta(days=1),
    }
    frames = {
        name: pl.DataFrame(
            {"t": [START + i * step for i in range(200)], "sensor": [name] * 200, "x": levels}
        )
        for name, step in series.items()
    }
    columns: Columns = {"t": TIME, "sensor": GROUP, "x": FLOAT}
    params = {"window": "30m", "centred": True}
    together = pl.concat(frames.values()).with_row_index(ROW, offset=1)
    after, _, found = apply("spikes", together, columns, **params)
    for name, frame in frames.items():
        alone, _, _ = apply("spikes", frame.with_row_index(ROW, offset=1), columns, **params)
        assert after.filter(sensor=name)["x"].equals(alone["x"])
        assert alone["x"].null_count() == (0 if name == "rare" else 2)
    assert ("a window of less than three values", "t", "30m", 200) in found


def test_a_long_table_becomes_wide_by_the_last_value_that_is_known():
    frame = pl.DataFrame(
        {
            ROW: pl.Series(range(1, 6), dtype=pl.UInt32),
            "t": [START + timedelta(minutes=m) for m in (0, 1, 7, 12, 31)],
            "sensor": ["a", "b", "a", "b", "a"],
            "x": [1.0, 10, 2, 20, 3],
        }
    )
    columns: Columns = {"t": TIME, "sensor": GROUP, "x": FLOAT}
    after, made, _ = apply("pivot", frame, columns, by="sensor", every="10m")
    assert after.to_dict(as_series=False) == {
        ROW: [1, 2, 3, 4],
        "t": [START + timedelta(minutes=m) for m in (0, 10, 20, 30)],
        "a": [1, 2, None, None],
        "b": [None, 10, 20, None],
    }
    assert list(made) == ["t", "a", "b"]
    few, made, _ = apply("pivot", frame, columns, by="sensor", every="10m", sensors=["c", "b"])
    assert few["c"].null_count() == 4
    assert few["b"].equals(after["b"])
    assert list(made) == ["t", "c", "b"]
    columns["x"] = Column(type="float", role="target")
    with pytest.raises(ParamsError, match="say whose is to be predicted: one of a, b"):
        apply("pivot", frame, columns, by="sensor")
    _, made, _ = apply("pivot", frame, columns, by="sensor", target="b", tolerance="1h")
    assert (made["x"].role, made["a"].role) == ("target", "feature")


def test_a_wide_table_has_each_columns_last_value_not_that_of_the_last_row():
    frame = pl.DataFrame(
        {
            ROW: pl.Series([1, 2, 3], dtype=pl.UInt32),
            "t": [START + timedelta(minutes=m) for m in (0, 1, 15)],
            "sensor": ["a", "a", "b"],
            "temp": [20.0, None, 21.0],
            "humidity": [None, 50.0, None],
        }
    )
    columns: Columns = {"t": TIME, "sensor": GROUP, "temp": FLOAT, "humidity": FLOAT}
    after, made, _ = apply("pivot", frame, columns, by="sensor", every="15m")
    assert after["temp_a"].to_list() == [20, 20]
    assert after["humidity_a"].to_list() == [None, 50]
    assert list(made) == ["t", "temp_a", "humidity_a", "temp_b", "humidity_b"] == after.columns[1:]


def test_records_in_text_are_taken_apart_and_wrong_places_go():
    texts = [
        "{'indoor': False, 'at': {'latitude': 36.0, 'longitude': -79.0}}",
        '{"indoor": true, "at": {"latitude": 0, "longitude": 0}}',
        "{'indoor': False, 'at': {'latitude': 36.0, 'longitude': 36.0}}",
        "{'indoor': False, 'at': {'latitude': 36.0, 'longitude': -79.0}}",
        None,
    ] * 4
    frame, columns = series(x=[1.0] * 20)
    frame = frame.with_columns(meta=pl.Series(texts), status=pl.Series(["[]"] * 19 + ["['Down.']"]))
    columns |= {n: Column(type="text", role="ignore") for n in ("meta", "status")}
    after, made, found = apply("unpack", frame, columns)
    assert after["meta_indoor"].to_list() == [False, True, False, False, None] * 4
    assert made["meta_at_latitude"] == Column(type="float", role="ignore")
    assert "meta" not in made
    assert ("says", "status", "Down.", 1) in found
    after, _, found = apply("places", after, made)
    assert after["meta_at_longitude"].to_list() == [-79, None, None, -79, None] * 4
    assert found == [
        ("wrong place", "meta_at_latitude", "0, 0", 4),
        ("wrong place", "meta_at_latitude", "36, 36", 4),
    ]


def test_what_is_wrong_in_params_is_said():
    for step, params, words in (
        ("fill_gaps", {"longest": "30 minutes"}, "expected a duration such as 90s"),
        ("calendar", {"zone": "Brussels"}, "unknown time zone 'Brussels'"),
        ("units", {"to": {"degF": "hPa"}}, "degF is a temperature, hPa a pressure"),
        ("rolling", {"statistics": ["mode"]}, "unknown statistics mode"),
        ("nights", {"begin": "25:00"}, "begin"),
        ("clock", {"parts": ["a"]}, "expected year, month and day at least"),
    ):
        with pytest.raises(ValidationError, match=words):
            Params.model_validate({"steps": [{step: params}]})
    frame, columns = series(x=[1.0, 2.0])
    with pytest.raises(ParamsError, match="expected one column of role `time`, found none"):
        apply("fill_gaps", frame, columns | {"t": Column(type="datetime")})
    with pytest.raises(ParamsError, match=r"x \(target, Float64\): expected numeric features"):
        apply("stuck", frame, columns | {"x": Column(role="target")}, columns=["x"])


def test_steps_that_look_ahead_are_named():
    steps = ["types", {"fill_gaps": {"method": "linear"}}, "fill_gaps", {"stuck": {"whole": True}}]
    found = looking_ahead(Params.model_validate({"steps": steps}))
    assert [line.split(":")[0] for line in found] == ["fill_gaps", "stuck"]
