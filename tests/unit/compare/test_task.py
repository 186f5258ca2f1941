"""The tasks of `features` and `compare`, called as plain functions on a store of their own."""

import json

import polars as pl

from tasks.compare.params import Params
from tasks.compare.task import compare, resample
from tasks.core import store
from tasks.core.plugins import Plugin
from tasks.core.prepared import Prepared
from tasks.core.schema import ROW, Table, save_columns
from tasks.features.params import Params as FeatureParams
from tasks.features.task import features
from tests.prepared import generated_table


def test_from_clean_table_to_leaderboard(tmp_path, monkeypatch):
    monkeypatch.setenv("TEMPER_HOME", str(tmp_path))
    frame, spec = generated_table(rows=80)
    with store.writing() as out:
        frame.write_parquet(out / "table.parquet")
        save_columns(spec.columns, out)
        clean = store.put("clean/table", out)
    declared = Table(task=spec.task, target=spec.target)  # columns.json has the resolved ones
    prepared = features.fn(clean, declared, FeatureParams(), FeatureParams().plugins(), 0)
    assert prepared.name == "features/prepared"

    model, params = Plugin(kind="model", name="baseline"), Params(resamples=3, bootstrap=200)
    scores = resample.fn(model, prepared, params.resampling, FeatureParams().plugins(), 0, "cpu")
    assert scores.name == "compare/baseline/resamples"
    assert len(json.loads(scores.file("scores.json").read_text())["scores"]["rmse"]) == 3

    data = Prepared(prepared.path)
    y = data.y("test")
    with store.writing() as out:
        columns = {ROW: data.row_numbers("test"), "y": y, "prediction": y * 0}
        pl.DataFrame(columns).write_parquet(out / "predictions.parquet")
        fitted = store.put("train/baseline", out)
    board = compare.fn([fitted], [scores], prepared, params, [], 0)
    assert board.name == "compare/leaderboard"
    content = json.loads(board.file("leaderboard.json").read_text())
    assert content["group"] == ["baseline"]
    assert pl.read_csv(board.file("leaderboard.csv"))["name"].to_list() == ["baseline"]
