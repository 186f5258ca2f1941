"""Parquet and Arrow columns: their own types are kept to, losses are said."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.core.errors import DataError
from tasks.core.schema import ROW, Column, Table
from tasks.ingest.options import ReadOptions
from tasks.ingest.reading import Reading, read_table

N = 12


def read(folder: Path, options: ReadOptions | None = None, **columns: Any) -> Reading:
    path = folder / "t.parquet"
    specs = {k: v for k, v in columns.items() if isinstance(v, Column)}
    data = {k: v for k, v in columns.items() if not isinstance(v, Column)}
    pl.DataFrame({"y": np.arange(N) / 2, **data}).write_parquet(path)
    names = {name.removeprefix("spec_"): spec for name, spec in specs.items()}
    table = Table(task="regression", target="y", columns=names)
    return read_table(path, table, options or ReadOptions())


def series(values: list[Any], dtype: Any) -> pl.Series:
    return pl.Series((values * N)[:N], dtype=dtype)


@pytest.mark.parametrize(
    ("values", "kind", "dtype", "first"),
    [
        (series([1, -2], pl.Int8), "integer", pl.Int64, 1),
        (series([1, 2], pl.UInt64), "integer", pl.Int64, 1),
        (series([2**63, 2], pl.UInt64), "text", pl.String, str(2**63)),
        (series([0.1, 2], pl.Float32), "float", pl.Float64, float(np.float32(0.1))),
        (series([Decimal("1.25")], pl.Decimal(9, 2)), "float", pl.Float64, 1.25),
        (series([True, False], pl.Boolean), "boolean", pl.Boolean, True),
        (series(["a", "b"], pl.Categorical), "category", pl.String, "a"),
        (series(["a", "b"], pl.Enum(["a", "b"])), "category", pl.String, "a"),
        (series(["1", "2"], pl.String), "category", pl.String, "1"),
        (series([date(2024, 1, 2)], pl.Date), "datetime", pl.Datetime("us"), datetime(2024, 1, 2)),
        (
            series([datetime(2024, 1, 2)], pl.Datetime("ns")),
            "datetime",
            pl.Datetime("us"),
            datetime(2024, 1, 2),
        ),
        (
            pl.Series([datetime(2024, 1, 2, 12, tzinfo=UTC)] * N).dt.convert_time_zone(
                "Asia/Tokyo"
            ),
            "datetime",
            pl.Datetime("us"),
            datetime(2024, 1, 2, 12),
        ),
        (series([timedelta(seconds=90)], pl.Duration), "float", pl.Float64, 90.0),
        (series([time(12, 30)], pl.Time), "text", pl.String, "12:30:00"),
        (series([None], pl.Null), "text", pl.String, None),
    ],
)
def test_types(tmp_path: Path, values: pl.Series, kind: str, dtype: Any, first: Any):
    reading = read(tmp_path, c=values)
    assert reading.columns["c"].type == kind
    assert reading.frame["c"].dtype == dtype
    assert str(reading.frame["c"][0]).startswith(str(first))


def test_nan_is_missing_and_counted(tmp_path: Path):
    reading = read(tmp_path, c=series([1.0, float("nan"), float("inf")], pl.Float64))
    assert reading.frame["c"].to_list()[:3] == [1.0, None, float("inf")]
    assert reading.source["format"]["columns"]["c"]["missing_marks"] == {"NaN": 4}


def test_nan_labels_may_be_missing_ones(tmp_path: Path):
    path = tmp_path / "t.parquet"
    values = [float("nan"), *map(float, range(1, N))]
    pl.DataFrame({"x": range(N), "y": values}).write_parquet(path)
    table = Table(task="regression", target="y")
    assert read_table(path, table, ReadOptions(missing=["NaN"])).frame["y"].null_count() == 1
    with pytest.raises(DataError, match="1 value is NaN"):
        read_table(path, table, ReadOptions())


def test_images(tmp_path: Path):
    pixels = np.arange(N * 6, dtype=np.uint8).reshape(N, 2, 3)
    grey = pl.Series(pixels, dtype=pl.Array(pl.UInt8, (2, 3)))
    reading = read(tmp_path, c=grey)
    assert reading.columns["c"].type == "image"
    assert (reading.frame["c"].to_numpy()[..., 0] == pixels).all()


def test_what_is_no_column_is_left_out_unless_asked_for(tmp_path: Path):
    lists = pl.Series([[1, 2]] * N)
    reading = read(tmp_path, c=lists, d=pl.Series([b"x"] * N), x=list(range(N)))
    assert reading.frame.columns == [ROW, "y", "x"]
    assert sum("left out" in note for note in reading.source["notes"]) == 2
    with pytest.raises(DataError, match="'c' is of type List"):
        read(tmp_path, c=lists, spec_c=Column())


@pytest.mark.parametrize(
    ("values", "wanted", "expected", "unparsed"),
    [
        (series(["1.5", "x"], pl.String), "float", 1.5, 6),
        (series([1.0, 2.5], pl.Float64), "integer", 1, 6),
        (series([1, 0, 2], pl.Int64), "boolean", True, 4),
        (series([1, 2], pl.Int64), "category", "1", 0),
        (series([1, 2], pl.Int64), "float", 1.0, 0),
        (series(["2024-01-02", "soon"], pl.String), "datetime", datetime(2024, 1, 2), 6),
    ],
)
def test_stated_types(tmp_path: Path, values: pl.Series, wanted: Any, expected: Any, unparsed: int):
    reading = read(tmp_path, c=values, spec_c=Column(type=wanted))
    assert reading.columns["c"].type == wanted
    assert reading.frame["c"][0] == expected
    assert len(reading.unparsed) == unparsed


@pytest.mark.parametrize(
    ("values", "wanted", "words"),
    [
        (series([1, 2], pl.Int64), "datetime", "holds numbers"),
        (series([date(2024, 1, 2)], pl.Date), "float", "holds dates"),
        (series(["x"], pl.String), "float", "no value is float"),
    ],
)
def test_types_that_cannot_be(tmp_path: Path, values: pl.Series, wanted: Any, words: str):
    with pytest.raises(DataError, match=words):
        read(tmp_path, c=values, spec_c=Column(type=wanted))
