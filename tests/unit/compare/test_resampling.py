"""Resamples of real models on real prepared folders."""

import datetime

import numpy as np
import polars as pl
import pytest

from tasks.compare.params import Params
from tasks.compare.resampling import resample_scores
from tasks.core import preparation
from tasks.core.errors import DataError
from tasks.core.plugins import Plugin
from tasks.core.schema import ROW, Column, Table
from tests.prepared import generated_table, prepared, prepared_table

LINEAR = Plugin(kind="model", name="linear")
BASELINE = Plugin(kind="model", name="baseline")


def run(folder, model=LINEAR, count=10, total=10):
    return resample_scores(folder, model, count, total, 0, 1, "cpu")


@pytest.mark.parametrize(
    ("task", "metrics"),
    [
        ("regression", {"rmse", "mae", "r2"}),
        ("classification", {"accuracy", "log_loss", "macro_f1", "roc_auc", "calibration_error"}),
    ],
)
def test_every_metric_on_ten_resamples(tmp_path, task, metrics):
    prepared_table(tmp_path, task=task, rows=200)
    found = run(tmp_path)
    assert set(found["scores"]) == metrics
    assert all(len(values) == 10 for values in found["scores"].values())
    assert (found["n_train"], found["n_test"], found["repeats"]) == (128, 32, 10)
    assert found == run(tmp_path)
    plain = run(tmp_path, BASELINE)
    name = "r2" if task == "regression" else "accuracy"
    assert np.mean(found["scores"][name]) > np.mean(plain["scores"][name]) + 0.2


def test_five_of_the_same_ten(tmp_path):
    prepared_table(tmp_path, rows=120)
    five, ten = run(tmp_path, count=5), run(tmp_path)
    assert five["resamples"] == [0, 1, 2, 3, 4]
    assert five["scores"]["rmse"] == ten["scores"]["rmse"][:5]
    params = Params()
    assert params.count(LINEAR) == 10
    assert params.count(Plugin(kind="model", name="convnet")) == 5
    assert "bootstrap" not in params.resampling.model_dump()


def test_each_resample_fits_its_own_preparation(tmp_path, monkeypatch):
    frame, spec = generated_table(rows=100)
    prepared(frame, spec, tmp_path)
    seen = []
    fit = preparation.fit

    def watched(rows, *args):
        seen.append(set(rows[ROW].to_list()))
        return fit(rows, *args)

    monkeypatch.setattr(preparation, "fit", watched)
    run(tmp_path)
    train = set(pl.read_parquet(tmp_path / "train.parquet")[ROW].to_list())
    assert len(seen) == 10
    assert all(rows < train and len(rows) == 64 for rows in seen)
    assert len(set.intersection(*seen)) == 0


def timed(y) -> tuple[pl.DataFrame, Table]:
    n = len(y)
    when = [datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=i) for i in range(n)]
    frame = pl.DataFrame(
        {
            ROW: pl.Series(range(1, n + 1), dtype=pl.UInt32),
            "x": np.random.default_rng(0).normal(size=n),
            "when": when,
            "y": y,
        }
    )
    columns = {
        "x": Column(type="float"),
        "when": Column(type="datetime", role="time"),
        "y": Column(type="category", role="target"),
    }
    return frame, Table(task="classification", target="y", columns=columns)


def test_resamples_of_one_class_are_left_out(tmp_path):
    """The first origins have seen only "a"."""
    prepared(*timed(["a"] * 60 + ["a", "b"] * 20), tmp_path)
    found = run(tmp_path, BASELINE)
    assert 2 <= found["repeats"] < 10
    assert found["skipped"][0]["reason"] == "its training rows hold a single class"
    assert found["split"] == "by_time"


def test_too_few_usable_resamples_are_an_error(tmp_path):
    prepared(*timed(["a"] * 79 + ["b"] + ["a"] * 20), tmp_path)
    with pytest.raises(DataError, match="only 0 of 10 resamples"):
        run(tmp_path, BASELINE)
