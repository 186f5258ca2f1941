"""The windows of a time series are what pandas and plain arithmetic say."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tasks.core.errors import ParamsError
from tasks.frames import windows

START = datetime(2026, 1, 1)


@pytest.fixture
def rows() -> pl.DataFrame:
    """Give two irregular series with a hole in their values, in no order."""
    rng = np.random.default_rng(3)
    n = 300
    minutes = rng.permutation(2 * n)[:n]
    x = rng.normal(20, 3, n)
    x[rng.random(n) < 0.2] = np.nan
    return pl.DataFrame(
        {
            "time": [START + timedelta(minutes=int(m)) for m in minutes],
            "home": rng.choice(["a", "b"], n),
            "x": x,
            "n": rng.integers(0, 9, n),
        }
    )


def test_resampled_is_what_pandas_says(rows: pl.DataFrame) -> None:
    found = windows.resample(
        rows.lazy(), "time", "home", "15m", ["x", "n"], ["mean", "std", "last"], complete=False
    ).collect()
    frame = rows.to_pandas().sort_values("time")
    expected = frame.groupby(["home", pd.Grouper(key="time", freq="15min")])[["x", "n"]].agg(
        ["mean", "std", "last"]
    )
    for column in ("x", "n"):
        for statistic in ("mean", "std", "last"):
            np.testing.assert_allclose(
                found[f"{column}_{statistic}"].to_numpy(), expected[column, statistic], rtol=1e-9
            )


def test_a_complete_grid_has_every_period_once_and_in_order() -> None:
    rows = pl.DataFrame(
        {"time": [START + timedelta(hours=h) for h in (5, 0, 0)], "x": [3.0, 1.0, None]}
    )
    found = windows.resample(rows.lazy(), "time", None, "1h", ["x"], ["last", "count"]).collect()
    assert found["time"].to_list() == [START + timedelta(hours=h) for h in range(6)]
    assert found["x_last"].to_list() == [1.0, None, None, None, None, 3.0]
    assert found["x_count"].to_list() == [1, 0, 0, 0, 0, 1]


def test_rolling_is_what_pandas_says_and_stays_within_a_series(rows: pl.DataFrame) -> None:
    grid = windows.resample(rows.lazy(), "time", "home", "15m", ["x"], ["mean"])
    names = ["mean", "std", "min", "max", "q05", "q90"]
    found = windows.rolling(grid, "home", ["x_mean"], {"1h": 4, "6h": 24}, names).collect()
    by_home = grid.collect().to_pandas().groupby("home")["x_mean"]
    for window, k in (("1h", 4), ("6h", 24)):
        rolled = by_home.rolling(k, min_periods=1)
        expected = {n: getattr(rolled, n)() for n in names[:4]}
        expected |= {"q05": rolled.quantile(0.05), "q90": rolled.quantile(0.9)}
        for name, values in expected.items():
            np.testing.assert_allclose(
                found[f"x_mean_{window}_{name}"].to_numpy(), values, rtol=1e-9, err_msg=name
            )


def test_the_slope_of_a_line_is_its_slope() -> None:
    values = [None if i % 5 == 2 else 7.0 + 0.25 * i for i in range(40)]
    frame = pl.LazyFrame({"x": values})
    found = windows.rolling(frame, None, ["x"], {"w": 6}, ["slope"]).collect()
    assert found["x_w_slope"][0] is None
    np.testing.assert_allclose(found["x_w_slope"][1:].to_numpy(), 0.25, rtol=1e-9)


def test_lags_and_differences_count_rows_of_the_same_series() -> None:
    frame = pl.LazyFrame({"home": ["a", "a", "a", "b", "b"], "x": [1.0, 4.0, 9.0, 16.0, 25.0]})
    found = windows.lags(frame, "home", ["x"], [1, 2])
    found = windows.differences(found, "home", ["x"], [1]).collect()
    assert found["x_lag1"].to_list() == [None, 1.0, 4.0, None, 16.0]
    assert found["x_lag2"].to_list() == [None, None, 1.0, None, None]
    assert found["x_diff1"].to_list() == [None, 3.0, 5.0, None, 9.0]


def test_days_without_rows_are_left_out() -> None:
    days = pl.LazyFrame({"time": [START, START + timedelta(days=3, hours=2)], "x": [1.0, 2.0]})
    found = windows.daily(days, "time", None, ["x"], ["mean"]).collect()
    assert found["time"].to_list() == [START, START + timedelta(days=3)]


def test_an_unknown_statistic_is_named() -> None:
    frame = pl.LazyFrame({"time": [START], "x": [1.0]})
    with pytest.raises(ParamsError, match="median"):
        windows.resample(frame, "time", None, "1h", ["x"], ["median"])
    with pytest.raises(ParamsError, match="kurtosis"):
        windows.rolling(frame, None, ["x"], {"1h": 4}, ["kurtosis"])
