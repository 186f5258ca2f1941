"""What is read of data/raw: a file, or the folder where the plugin takes several."""

from pathlib import Path
from typing import Any

import pytest

from flows import origin
from flows.workload import build
from tasks.core.errors import DataError

TABLE = {"task": "regression", "target": "y"}


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEMPER_PROJECT", str(tmp_path))
    return tmp_path / "data" / "raw" / "w"


def source(dataset: str, **ingest: Any) -> Path | None:
    return origin.source(
        "w", build("w", {"table": TABLE, "ingest": {"dataset": dataset, **ingest}})
    )


def put(raw: Path, *names: str) -> None:
    for name in names:
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).touch()


def test_nothing_there(raw: Path):
    with pytest.raises(DataError, match="no raw data in data/raw/w"):
        source("sensor_table")
    with pytest.raises(DataError, match="nothing was collected yet: `temper collect w`"):
        source("oura")
    assert source("generated") is None


def test_one_file_is_the_file(raw: Path):
    put(raw, "a.csv")
    assert source("sensor_table") == source("table") == raw / "a.csv"
    assert source("table", path=str(raw / "b.csv")) == raw / "b.csv"


def test_several_files_are_the_folder_to_those_that_take_it(raw: Path):
    put(raw, "a.csv", "b.csv")
    assert source("sensor_table") == raw
    assert source("table") == raw / "a.csv"


def test_hidden_files_are_no_data(raw: Path):
    put(raw, ".DS_Store", "a.csv")
    assert source("table") == source("sensor_table") == source("folder") == raw / "a.csv"
    put(raw, "train/cat/0.png")
    assert source("folder") == source("mnist") == raw


def test_what_was_collected_is_the_folder(raw: Path):
    put(raw, "sleep/2024-01-01.parquet")
    assert source("oura") == raw
    with pytest.raises(DataError, match="no raw data"):
        source("table")


def test_where_nothing_comes_from_the_origin_fetch_says_how_to_give_it(
    raw: Path, tmp_path: Path, temper_home: Path, monkeypatch: pytest.MonkeyPatch
):
    import sklearn.datasets

    from flows.newly import fetch_raw

    def offline(**_: Any) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(sklearn.datasets, "fetch_california_housing", offline)
    (tmp_path / "params.yaml").write_text(
        "workloads:\n  w:\n    table: {task: regression, target: y}\n"
        "    ingest: {dataset: california_housing}\n"
    )
    with pytest.raises(DataError) as caught:
        fetch_raw("w")
    assert "`temper run w --set ingest.path=PLACE`" in str(caught.value)
    assert "put one file into data/raw/w" in str(caught.value)
    assert "not known" in str(caught.value)
