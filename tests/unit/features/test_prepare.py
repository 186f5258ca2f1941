"""The artifact `features/prepared` as a whole, and the errors a user may meet."""

import datetime
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.core import target
from tasks.core.errors import DataError, ParamsError
from tasks.core.schema import ROW, Column, Table
from tasks.features.params import Params
from tests.prepared import generated_table, prepared, prepared_digits, prepared_table

SHARED = Path(os.environ.get("TEMPER_SHARED", Path(__file__).parents[3] / ".." / "shared"))


def numbered(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias(ROW))


def small(y, task="classification", **columns) -> tuple[pl.DataFrame, Table]:
    frame = numbered(pl.DataFrame({"x": np.arange(len(y)) * 1.5, **columns, "y": y}))
    spec = {"x": Column(type="float"), "y": Column(type="category", role="target")}
    return frame, Table(task=task, target="y", columns=spec)


def test_digits(tmp_path):
    data = prepared_digits(tmp_path)
    meta = data.meta
    assert meta.parts == {"train": 1438, "test": 359}
    assert (meta.judged, meta.image_shape) == ("test", (8, 8, 1))
    assert meta.classes == [str(i) for i in range(10)]
    assert data.X("train").shape == (1438, 64)
    assert data.X("train").max() == 1
    assert data.y("train").dtype == np.int64
    assert data.stop.sum() == pytest.approx(144, abs=1)
    counts = np.bincount(data.y("test"))
    assert counts.min() >= 34  # each class by its share


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_a_table_goes_through_onnx_unchanged(tmp_path, task):
    import onnxruntime

    data = prepared_table(tmp_path, task=task)
    session = onnxruntime.InferenceSession(tmp_path / "prepare.onnx")
    for part in data.meta.parts:
        found = session.run(["X"], data.feed(part))[0]
        assert np.abs(found - data.X(part)).max() <= 1e-6
    assert {"flag", "color=(missing)", "b_missing"} <= set(data.meta.feature_names)
    assert data.y("train").dtype == (np.float64 if task == "regression" else np.int64)
    rows = np.concatenate([data.row_numbers(part) for part in data.meta.parts])
    assert sorted(rows) == list(range(1, 301))


def test_what_is_fitted_is_fitted_on_train(tmp_path):
    frame, spec = generated_table(rows=200)
    first = prepared(frame, spec, tmp_path / "a")
    test_rows = first.row_numbers("test")
    shifted = frame.with_columns(
        pl.when(pl.col(ROW).is_in(test_rows.tolist())).then(1e6).otherwise("a").alias("a")
    )
    second = prepared(shifted, spec, tmp_path / "b")
    assert np.array_equal(first.X("train"), second.X("train"))
    names = ("preparation.json", "prepare.onnx")
    assert all(
        (tmp_path / "a" / n).read_bytes() == (tmp_path / "b" / n).read_bytes() for n in names
    )


def test_the_same_inputs_give_the_same_bytes(tmp_path):
    for name in "ab":
        prepared_table(tmp_path / name)
    files = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert len(files) >= 10
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_classes_come_in_natural_order():
    assert target.classes_of(pl.Series([10, 9, 2, 10])) == ["2", "9", "10"]
    assert target.classes_of(pl.Series([1.0, 0.0, 2.0])) == ["0", "1", "2"]
    assert target.classes_of(pl.Series([0.5, 0.25])) == ["0.25", "0.5"]
    assert target.classes_of(pl.Series([True, False])) == ["false", "true"]
    indices = target.class_indices(pl.Series([10, 2, 9]), ["2", "9", "10"])
    assert indices.tolist() == [2, 0, 1]


def test_a_class_with_one_row_stays_in_train(tmp_path):
    frame, spec = small(["a"] * 20 + ["b"] * 12 + ["c", "d", "d"])
    data = prepared(frame, spec, tmp_path)
    assert data.meta.classes == ["a", "b", "c", "d"]
    assert 2 in data.y("train")[~data.stop]
    assert "1 classes have one row, which is in train: c" in data.meta.split["note"]


def test_twelve_rows_of_many_small_classes(tmp_path):
    frame, spec = small(list("aabbccddeeff"))
    data = prepared(frame, spec, tmp_path)
    assert data.meta.parts == {"train": 10, "test": 2}
    assert set(data.y("train")[~data.stop]) == set(range(6))


@pytest.mark.parametrize(
    ("roles", "task", "name"),
    [
        ({"part": "split", "when": "time"}, "classification", "given"),
        ({"when": "time", "who": "group"}, "classification", "by_time"),
        ({"who": "group"}, "classification", "by_group"),
        ({}, "classification", "stratified"),
        ({}, "regression", "at_random"),
    ],
)
def test_auto_follows_the_roles(tmp_path, roles, task, name):
    n = 60
    frame, spec = small([i % 2 for i in range(n)], task=task)
    start = datetime.date(2024, 1, 1)
    frame = frame.with_columns(
        part=pl.Series((["train"] * 8 + ["val", "val"]) * 6),
        when=pl.Series([start + datetime.timedelta(days=i) for i in range(n)]),
        who=pl.Series([str(i % 10) for i in range(n)]),
    )
    types = {"part": "category", "when": "datetime", "who": "category"}
    more = {c: Column(type=t, role=roles.get(c, "ignore")) for c, t in types.items()}
    spec = spec.model_copy(update={"columns": {**spec.columns, **more}})
    data = prepared(frame, spec, tmp_path)
    assert data.meta.split["name"] == name
    assert data.meta.judged == ("val" if name == "given" else "test")
    kept = {c for c, role in roles.items() if role in ("time", "group")}
    assert kept <= set(data.table("train").columns)


def test_a_named_split_and_switched_off_recipes(tmp_path):
    frame, spec = generated_table()
    params = Params(
        split={"name": "at_random", "params": {"test_share": 0.4}},
        recipes={"categorical": None, "numeric": {"scale": "standard"}},
    )
    data = prepared(frame, spec, tmp_path, params)
    assert data.meta.parts == {"train": 180, "test": 120}
    assert [i.name for i in data.meta.inputs] == ["flag", "a", "b", "c"]
    assert "color: left out" in (tmp_path / "choices.json").read_text()


def test_every_wrong_parameter_is_named_at_once():
    wrong = Params(
        split={"name": "by_grup"},
        recipes={"numerics": {}, "numeric": {"limit": -1}, "image": {"divisr": 1}},
    )
    with pytest.raises(ParamsError) as caught:
        wrong.plugins()
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert "features.split.name" in lines[0]
    assert "Did you mean 'by_group'" in lines[0]
    assert "Did you mean 'numeric'" in lines[1]
    assert "features.recipes.image.divisr" in lines[2]
    assert "features.recipes.numeric.limit" in lines[3]


def test_auto_takes_the_params_of_any_split_it_may_choose():
    params = Params(split={"params": {"test_share": 0.3, "first_share": 0.5}})
    splits = {p.name: p.params for p in params.plugins() if p.kind == "split"}
    assert splits["by_time"] == {"test_share": 0.3, "first_share": 0.5}
    assert splits["stratified"] == {"test_share": 0.3}
    assert splits["given"] == {}
    for wrong in ({"test_share": 2}, {"test_shar": 0.2}):
        with pytest.raises(ParamsError, match=r"features\.split\.params") as caught:
            Params(split={"params": wrong}).plugins()
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("y", "task", "words"),
    [
        (["a"] * 20, "classification", "single class"),
        ([1.0] * 20, "regression", "single value"),
        (["a", None] * 10, "classification", "missing in 10 of 20 rows"),
        (["a", "b"] * 10, "regression", "regression needs numbers"),
        ([1.0, float("inf")] * 10, "regression", "infinite or NaN"),
        (["a", "b", "a"], "classification", "too few rows"),
    ],
)
def test_a_target_that_cannot_be_used(tmp_path, y, task, words):
    with pytest.raises(DataError, match=words):
        prepared(*small(y, task=task), tmp_path)


def test_rows_of_a_grid_without_a_target_are_left_out_and_told(tmp_path):
    when = [datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=i) for i in range(40)]
    frame, spec = small([1.0, 2.0, None, 4.0] * 10, task="regression", when=when)
    columns = {**spec.columns, "when": Column(type="datetime", role="time")}
    made = prepared(frame, spec.model_copy(update={"columns": columns}), tmp_path)
    assert sum(made.meta.parts.values()) == 30
    assert "10 of 40 rows have no y and are left out" in made.meta.split["note"]
    assert all(np.isfinite(made.y(part)).all() for part in made.meta.parts)


def test_no_feature_column_is_left(tmp_path):
    frame, spec = small([0, 1] * 10)
    with pytest.raises(DataError, match=r"no feature column is left: x: left out, every value"):
        prepared(frame.with_columns(x=pl.lit(None, pl.Float64)), spec, tmp_path)
    text = {**spec.columns, "x": Column(type="text")}
    spec = spec.model_copy(update={"columns": text})
    with pytest.raises(DataError, match="no recipe takes a column of type text"):
        prepared(frame.with_columns(x=pl.lit("words")), spec, tmp_path)


def test_a_split_column_with_other_values(tmp_path):
    frame, spec = small([0, 1] * 10, part=["train"] * 15 + ["valid"] * 5)
    columns = {**spec.columns, "part": Column(type="category", role="split")}
    spec = spec.model_copy(update={"columns": columns})
    with pytest.raises(DataError, match=r"5 rows have other values than train, val and test: 'val"):
        prepared(frame, spec, tmp_path)
    with pytest.raises(DataError, match="found only train"):
        prepared(frame.with_columns(part=pl.lit("train")), spec, tmp_path)


def test_a_class_that_train_does_not_have(tmp_path):
    when = [datetime.date(2024, 1, 1) + datetime.timedelta(days=i) for i in range(20)]
    frame, spec = small(["a", "b"] * 8 + ["new"] * 4, when=when)
    columns = {**spec.columns, "when": Column(type="datetime", role="time")}
    spec = spec.model_copy(update={"columns": columns})
    with pytest.raises(DataError, match=r"classes that train does not have: new"):
        prepared(frame, spec, tmp_path)


def test_constants_and_identifiers_are_left_out(tmp_path):
    frame, spec = small([0, 1] * 20, same=["k"] * 40, id=[f"n{i}" for i in range(40)])
    frame = frame.with_columns(seven=pl.lit(7.0))
    more = {"same": "category", "id": "category", "seven": "float"}
    columns = {**spec.columns, **{n: Column(type=t) for n, t in more.items()}}
    data = prepared(frame, spec.model_copy(update={"columns": columns}), tmp_path)
    assert data.meta.feature_names == ["x"]


def test_large_numbers_are_doubles(tmp_path):
    n = 400
    frame, spec = small([0, 1] * (n // 2), stamp=np.arange(n) + 1_700_000_000_000)
    columns = {**spec.columns, "stamp": Column(type="integer")}
    data = prepared(frame, spec.model_copy(update={"columns": columns}), tmp_path)
    assert {i.name: i.dtype for i in data.meta.inputs} == {"x": "float32", "stamp": "float64"}
    place = data.meta.feature_names.index("stamp")
    assert len(np.unique(data.X("train")[:, place])) == data.meta.parts["train"]


def test_the_file_with_an_official_split(tmp_path):
    path = SHARED / "data/california/california_trainval.parquet"
    if not path.exists():
        pytest.skip(f"no {path.name}: set TEMPER_SHARED")
    frame = numbered(pl.read_parquet(path))
    columns = {n: Column(type="float") for n in frame.columns if n != ROW}
    columns |= {"row_id": Column(type="integer", role="ignore")}
    columns |= {"split": Column(type="category", role="split")}
    columns |= {"MedHouseVal": Column(type="float", role="target")}
    spec = Table(task="regression", target="MedHouseVal", columns=columns)
    data = prepared(frame, spec, tmp_path)
    assert data.meta.parts == {"train": 13209, "val": 3303}
    assert data.meta.judged == "val"
    assert all(i.dtype == "float32" for i in data.meta.inputs)
    assert len(data.meta.inputs) == 8
