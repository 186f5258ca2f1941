"""The task on the store, without a flow: the work runs in a child process."""

import polars as pl
import pytest

from tasks.core import store
from tasks.core.errors import DataError
from tasks.core.schema import ROW, Column, Table, save_columns
from tasks.validate.params import Params
from tasks.validate.task import freshness, validate

SPEC = Table(task="regression", target="y")


def put(values: list) -> store.Artifact:
    with store.writing() as out:
        numbers = pl.Series(range(1, len(values) + 1), dtype=pl.UInt32)
        pl.DataFrame({ROW: numbers, "y": values}).write_parquet(out / "table.parquet")
        save_columns({"y": Column(type="float", role="target")}, out)
        return store.put("ingest/table", out)


def test_good_rows_and_report(tmp_path, monkeypatch):
    monkeypatch.setenv("TEMPER_HOME", str(tmp_path / "home"))
    rows, report = validate.fn(put([None, *map(float, range(99))]), SPEC, Params())
    assert (rows.name, report.name) == ("validate/rows", "validate/report")
    assert pl.read_parquet(rows.file("table.parquet")).height == 99
    bad = pl.read_parquet(report.file("quarantine.parquet"))
    assert bad.rows() == [(1, "y", None, "no target")]
    freshness.fn(report, Params())


def test_an_error_of_the_child_comes_through_and_the_quarantine_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("TEMPER_HOME", str(tmp_path / "home"))
    with pytest.raises(DataError, match="10 of 100 rows"):
        validate.fn(put([None] * 10 + list(map(float, range(90)))), SPEC, Params())
    (kept,) = (tmp_path / "home" / "quarantine").iterdir()
    assert pl.read_csv(kept)["row"].to_list() == list(range(1, 11))
