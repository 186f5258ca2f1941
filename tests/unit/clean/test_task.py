"""The tasks of validate and clean on the store, without a flow."""

import json

import numpy as np
import polars as pl
import pytest

from tasks.clean.params import Params
from tasks.clean.task import clean
from tasks.core import store
from tasks.core.artifacts import Artifact
from tasks.core.schema import ROW, Column, load_columns, save_columns


@pytest.fixture
def rows(tmp_path, monkeypatch) -> Artifact:
    monkeypatch.setenv("TEMPER_HOME", str(tmp_path / "home"))
    rng = np.random.default_rng(3)
    table = pl.DataFrame(
        {
            ROW: pl.Series(range(1, 301), dtype=pl.UInt32),
            "a": rng.normal(size=300),
            "b": rng.integers(0, 9, 300),
            "y": rng.choice(["no", "yes"], 300),
        }
    )
    with store.writing() as out:
        table.write_parquet(out / "table.parquet")
        columns = {
            "a": Column(type="float"),
            "b": Column(type="integer"),
            "y": Column(type="category", role="target"),
        }
        save_columns(columns, out)
        return store.put("validate/rows", out)


def test_clean_gives_table_columns_and_steps_the_same_bytes_each_time(rows):
    artifact = clean.fn(rows, Params(), "cpu")
    assert artifact.name == "clean/table"
    assert sorted(p.name for p in artifact.path.iterdir()) == [
        "columns.json",
        "repairs.json",
        "steps.json",
        "table.parquet",
    ]
    table = pl.read_parquet(artifact.file("table.parquet"))
    assert table.schema == {ROW: pl.UInt32, "a": pl.Float32, "b": pl.Int8, "y": pl.String}
    assert list(load_columns(artifact.path)) == ["a", "b", "y"]
    accounts = json.loads(artifact.file("steps.json").read_text())
    assert [a["step"] for a in accounts] == [step.name for step in Params().steps]
    assert clean.fn(rows, Params(), "cpu") == artifact
