"""Engines, and tables as bytes."""

import logging

import polars as pl
import pytest

from tasks.core import frames
from tasks.core.errors import EngineUnavailable, ParamsError


def test_equal_tables_are_equal_bytes_however_they_are_chunked(tmp_path):
    whole = pl.DataFrame({"a": range(1000), "b": ["x", None] * 500})
    parts = pl.concat([whole[:7], whole[7:600], whole[600:]], rechunk=False)
    frames.write(whole, tmp_path / "whole.parquet")
    frames.write(parts, tmp_path / "parts.parquet")
    assert (tmp_path / "whole.parquet").read_bytes() == (tmp_path / "parts.parquet").read_bytes()
    assert pl.read_parquet(tmp_path / "parts.parquet").equals(whole)


def test_rows_keep_their_order():
    frame = pl.DataFrame({"a": range(300_000)})
    found = frames.collect(frame.lazy().filter(pl.col("a") % 3 == 0))
    assert found["a"].to_list() == list(range(0, 300_000, 3))


@pytest.mark.skipif(frames.unavailable() is None, reason="cuDF is here")
def test_without_cudf_a_demanded_gpu_is_an_error_and_another_says_so(caplog):
    lazy = pl.LazyFrame({"a": [1]})
    with pytest.raises(EngineUnavailable, match="EXTRAS=gpu"):
        frames.collect(lazy, "cuda", demanded=True)
    with caplog.at_level(logging.WARNING):
        assert frames.collect(lazy, "cuda").height == 1
    assert "by the CPU" in caplog.text


def test_unknown_columns_come_all_at_once_with_the_nearest():
    with pytest.raises(ParamsError) as found:
        frames.require_columns("here", ["agee", "city", "qqq"], ["age", "city"])
    assert str(found.value).count("here: unknown column") == 2
    assert "Did you mean 'age'" in str(found.value)
