"""The tasks of ingest: what lies in the store, and that it depends on nothing else."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tasks.core.plugins import Plugin
from tasks.core.schema import ROW, Column, Table, load_columns
from tasks.ingest import raw
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
        got = fetch.fn(dataset, str(path), dataset.module.origin(dataset.typed, path))
        assert got.name == "raw"
        assert got.file("t.csv").read_text() == content
        made = ingest.fn(got, dataset, TABLE)
        digests.add((got.digest, made.digest))
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


@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv"])
@pytest.mark.parametrize("listed", [{}, {"n": Column(type="float"), "y": Column(type="float")}])
def test_a_large_table_is_read_in_lots_with_the_same_bytes(
    kind: str, listed: dict[str, Column], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    hours = [datetime(2024, 1, 1) + timedelta(hours=n) for n in range(30)]
    frame = pl.DataFrame(
        {
            "when": [str(hour) for hour in hours],
            "sensor": pl.Series(["a", "b", None] * 10, dtype=pl.Categorical),
            "n": pl.Series(range(30), dtype=pl.Int32),
            "gaps": [1.5, float("nan"), None, 2.5, 3.5] * 6,
            "same": [2.5] * 30,
            "y": [n % 7 + 0.5 for n in range(30)],
        }
    )
    path = tmp_path / f"t.{kind}"
    {"parquet": frame.write_parquet, "arrow": frame.write_ipc, "csv": frame.write_csv}[kind](path)
    tables = [Table(task="regression", target="y", columns=listed, extra_columns="ignore")]
    datasets = [Plugin(kind="dataset", name="table")]
    if not listed:
        options = {"time": "when", "sensor": "sensor", "leave_out": ["same"]}
        tables.append(Table(task="forecast", target="gaps"))
        datasets.append(Plugin(kind="dataset", name="sensor_table", params=options))
    for dataset, table in zip(datasets, tables, strict=True):
        made = set()
        for cells in (10**6, 1):
            monkeypatch.setattr(raw, "CELLS", cells)
            given = fetch.fn(dataset, str(path), dataset.module.origin(dataset.typed, path))
            made.add(ingest.fn(given, dataset, table).digest)
        assert len(made) == 1
    assert not list((tmp_path / "home" / "tmp").iterdir())
