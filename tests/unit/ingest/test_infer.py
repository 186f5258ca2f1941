"""What `temper new` guesses of a table, with reasons."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.core.errors import DataError, ParamsError
from tasks.core.schema import Column
from tasks.ingest.infer import propose

N = 60


def file(folder: Path, **columns: list[Any]) -> Path:
    path = folder / "t.csv"
    pl.DataFrame(columns).write_csv(path)
    return path


def numbers(factor: float = 1.5) -> list[float]:
    return [round((i * 7 % N) * factor - 3, 3) for i in range(N)]


def test_roles_types_and_checks(tmp_path: Path):
    path = file(
        tmp_path,
        customer_id=[f"c{i:04}" for i in range(N)],
        counter=list(range(100, 100 + N)),
        constant=[1] * N,
        note=[f"some words {i}" for i in range(N)],
        colour=["red", "blue", None] * (N // 3),
        age=[20 + i % 40 for i in range(N)],
        balance=numbers(),
        flag=[0.0, 1.0] * (N // 2),
        latitude=[40 + i / 100 for i in range(N)],
        odd=[-99.0 if i == 3 else i + 0.5 for i in range(N)],
        churned=["yes", "no"] * (N // 2),
    )
    found = propose(path, "churned", "churn", None)
    columns = found.columns
    assert found.table.task == "classification"
    assert columns["churned"] == Column(type="category", role="target")
    roles = {name: column.role for name, column in columns.items()}
    assert [n for n in roles if roles[n] == "ignore"] == [
        "customer_id",
        "counter",
        "constant",
        "note",
    ]
    assert columns["colour"] == Column(type="category", values=["blue", "red"])
    assert columns["age"] == Column(type="integer", nullable=False, min=0)
    assert columns["balance"] == Column(type="float", nullable=False)
    assert columns["flag"] == Column(type="float", nullable=False, min=0, max=1)
    assert columns["latitude"] == Column(type="float", nullable=False, min=-90, max=90)
    assert "-99" in found.why_columns["odd"]
    assert found.split == "stratified"
    assert "20 missing" in found.why_columns["colour"]
    assert found.models == ("baseline", "linear", "random_forest", "light_gbm")
    text = "\n".join(found.reasons)
    assert "counter" in text
    assert "split stratified" in text


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (numbers(), "regression"),
        ([i % 3 for i in range(N)], "classification"),
        ([float(i % 2) for i in range(N)], "classification"),
        ([i % 3 + 0.5 for i in range(N)], "regression"),
        (list(range(N)), "regression"),
        (["a", "b"] * (N // 2), "classification"),
        ([True, False] * (N // 2), "classification"),
    ],
)
def test_task(tmp_path: Path, values: list[Any], task: str):
    found = propose(file(tmp_path, x=numbers(), target=values), None, "w")
    assert found.table.task == task
    assert found.table.target == "target"
    assert "name" in found.why["target"]


def test_splits(tmp_path: Path):
    x, start = numbers(), datetime(2024, 1, 1)
    date = [(start + timedelta(hours=i)).isoformat(" ") for i in range(N)]
    part = ["train", "train", "val"] * (N // 3)
    assert propose(file(tmp_path, date=date, x=x, y=x), "y", "w").split == "by_time"
    given = propose(file(tmp_path, date=date, split=part, x=x, y=x), "y", "w")
    assert given.split == "given"
    assert given.columns["split"].role == "split"
    assert given.columns["date"].role == "time"
    assert propose(file(tmp_path, x=x, y=x), "y", "w").split == "at_random"
    places = propose(file(tmp_path, lat=x, lon=x, y=x), "y", "w")
    assert "spatial_blocks" in places.why["split"]


def test_a_second_clock_is_left_out(tmp_path: Path):
    start = datetime(2024, 1, 1)
    moments = [start + timedelta(minutes=i) for i in range(N)]
    path = file(tmp_path, seen=moments, timestamp=moments, x=numbers(), y=numbers(2))
    columns = propose(path, "y", "w").columns
    assert (columns["seen"].role, columns["timestamp"].role) == ("ignore", "time")


def test_a_group_is_only_suggested(tmp_path: Path):
    path = file(tmp_path, personId=[f"p{i % 6}" for i in range(N)], x=numbers(), y=numbers(2))
    found = propose(path, "y", "w")
    assert found.columns["personId"].role == "ignore"
    assert "role: group" in found.why_columns["personId"]


def test_text_in_parquet_that_reads_as_numbers(tmp_path: Path):
    path = tmp_path / "t.parquet"
    frame = pl.DataFrame(
        {"a": [f"{v}" for v in numbers()], "b": ["x", "z"] * (N // 2), "y": numbers(2)}
    )
    frame.write_parquet(path)
    columns = propose(path, "y", "w").columns
    assert columns["a"].type == "float"
    assert columns["b"].type == "category"


def test_what_cannot_be_guessed(tmp_path: Path):
    path = file(tmp_path, first=numbers(), second=numbers(2), when=["2024-01-01"] * N)
    with pytest.raises(DataError, match=r"which column is the target.*first, second"):
        propose(path, None, "w")
    with pytest.raises(DataError, match="Did you mean 'second'"):
        propose(path, "secnd", "w")
    with pytest.raises(ParamsError, match="Did you mean 'regression'"):
        propose(path, "second", "w", "regresion")
    with pytest.raises(DataError, match="expected numbers or classes"):
        propose(path, "when", "w")
    twice = file(tmp_path, y=numbers(), Target=numbers(2), x=numbers(3))
    with pytest.raises(DataError, match="several could be it: Target, y"):
        propose(twice, None, "w")
    with pytest.raises(DataError, match="too many for classes"):
        propose(twice, "y", "w", "classification")
