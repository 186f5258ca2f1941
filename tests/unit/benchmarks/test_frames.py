"""What the comparison of frame engines states; the data and pandas' answer are not needed here."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import polars as pl

from benchmarks.frames import answers, charts
from benchmarks.frames.__main__ import crossover


def test_tables_are_equal_within_a_millionth_and_nulls_alike(tmp_path: Path) -> None:
    answer = pl.DataFrame({"sensor": ["a", "b", "c"], "x": [1.0, None, 1000.0]})
    for table in ("features", "daily"):
        answer.write_parquet(tmp_path / f"{table}.parquet")
    for values, equal in (
        ([1.0 + 5e-7, None, 1000.0], True),
        ([1.0 + 5e-6, None, 1000.0], False),
        ([1.0, 2.0, 1000.0], False),
    ):
        found = tmp_path / "found"
        for table in ("features", "daily"):
            (found / table).mkdir(parents=True, exist_ok=True)
            answer.with_columns(x=pl.Series(values)).write_parquet(found / table / "0.parquet")
        assert answers.compare(found, tmp_path, {})["daily"]["equal"] is equal


def test_where_pandas_drifts_the_window_itself_decides(tmp_path: Path) -> None:
    answer = pl.DataFrame(
        {"sensor": ["a", "a", "b"], "x_mean": [1.0, 3.0, 4.0], "x_1h_std": [None, 1.4143, None]}
    )
    for folder, value in (("answer", 1.4143), ("right", 2**0.5), ("wrong", 1.4142)):
        for table in ("features", "daily"):
            (tmp_path / folder).mkdir(exist_ok=True)
            shown = answer.with_columns(x_1h_std=pl.Series([None, value, None]))
            shown.write_parquet(tmp_path / folder / f"{table}.parquet")
    right, wrong = (
        answers.compare(tmp_path / name, tmp_path / "answer", {"1h": 2})["features"]
        for name in ("right", "wrong")
    )
    assert (right["equal"], right["drifted"]) == (True, 1)
    assert wrong["equal"] is False


def test_the_crossover_lies_between_the_sizes_around_it() -> None:
    sizes = {
        str(millions): {"speed_up": {"numba": {"median": ratio}, "slow": {"median": 0.5}}}
        for millions, ratio in ((1, 0.5), (2, 1.5), (20, 6.0))
    }
    assert crossover(sizes) == {"numba": 1_500_000, "slow": None}


def test_a_chart_is_svg_with_a_line_an_engine() -> None:
    points = {"pandas": [(1.0, 2.0), (20.0, 50.0)], "numba": [(1.0, 1.5), (20.0, 9.0)]}
    drawn = ElementTree.fromstring(charts.chart("Seconds", points))
    lines = [p for p in drawn.iter("{http://www.w3.org/2000/svg}path") if p.get("fill") == "none"]
    assert len(lines) == len(points)
    ys = np.array([float(part.get("cy", "nan")) for part in drawn.iter() if part.get("cy")])
    assert ((ys >= charts.TOP) & (ys <= charts.HEIGHT - charts.BOTTOM)).all()
