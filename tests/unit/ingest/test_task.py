"""The tasks of ingest: what lies in the store, and that it depends on nothing else."""

import json
from pathlib import Path

import polars as pl
import pytest

from tasks.core.plugins import Plugin
from tasks.core.schema import ROW, Table, load_columns
from tasks.ingest.task import fetch, ingest

TABLE = Table(task="regression", target="y")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPER_HOME", str(tmp_path / "home"))


def test_files_and_digests(tmp_path: Path):
    content = "x,k,y\n" + "".join(f"{i}.5,{'ab'[i % 2]},{i * 2}\n" for i in range(20)) + "1\n"
    digests = set()
    for folder in ("one", "two"):
        path = tmp_path / folder / "t.csv"
        path.parent.mkdir()
        path.write_text(content)
        dataset = Plugin(kind="dataset", name="table")
        raw = fetch.fn(dataset, str(path), dataset.module.origin(dataset.typed, path))
        assert raw.name == "raw"
        assert raw.file("t.csv").read_text() == content
        made = ingest.fn(raw, dataset, TABLE)
        digests.add((raw.digest, made.digest))
    assert len(digests) == 1
    assert sorted(p.name for p in made.path.iterdir()) == [
        "columns.json",
        "source.json",
        "table.parquet",
        "unparsed.parquet",
    ]
    frame = pl.read_parquet(made.file("table.parquet"))
    assert frame.columns == [ROW, "x", "k", "y"]
    assert frame[ROW].dtype == pl.UInt32
    assert load_columns(made.path)["y"].role == "target"
    source = json.loads(made.file("source.json").read_text())
    assert (source["rows"], source["columns"], source["origin"]) == (21, 3, "file t.csv")
    assert str(tmp_path) not in made.file("source.json").read_text()
    assert pl.read_parquet(made.file("unparsed.parquet")).rows() == [
        (21, "__line__", "1", "1 fields, expected 3")
    ]
