"""The report's facts and charts of a forecast, on small real artifacts."""

import json
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tasks.core import store
from tasks.core.fitting import FitContext, training_data
from tasks.core.plugins import Plugin
from tasks.core.prepared import Prepared
from tasks.core.schema import ROW, Column, Table, save_columns
from tasks.features.params import Forecast, Params
from tasks.features.prepare import prepare
from tasks.report import series, series_figures
from tasks.train.fitting import predictions

START = datetime(2026, 3, 1)
COLUMNS = {
    "time": Column(type="datetime", role="time"),
    "power": Column(type="float", role="target"),
    "heat": Column(type="float"),
}


def made(horizon: int):
    """Return the artifacts of a series with a gap, whose channel leads it by three hours."""
    random = np.random.default_rng(1)
    heat = np.sin(np.arange(600) / 24 * 2 * np.pi) + 0.1 * random.normal(size=600)
    power = 5 + np.concatenate([np.zeros(3), heat[:-3]]) + 0.05 * random.normal(size=600)
    frame = pl.DataFrame(
        {
            "time": [START + timedelta(hours=h) for h in range(600)],
            "power": power,
            "heat": heat,
        }
    ).with_row_index(ROW, offset=1)
    frame = frame.with_columns(pl.col(ROW).cast(pl.UInt32))
    gap = frame["time"].is_between(START + timedelta(hours=200), START + timedelta(hours=230))
    frame = frame.filter(~gap)
    with store.writing() as out:
        frame.write_parquet(out / "table.parquet")
        save_columns(COLUMNS, out)
        day = [["2026-03-02", "heat", "emptied", 3], ["2026-03-02", "", "removed", 1]]
        steps = [["spikes", day], ["fill_gaps", [["2026-03-02", "heat", "filled", 2]]]]
        (out / "repairs.json").write_text(json.dumps(steps))
        clean = store.put("clean/table", out)
    spec = Table(task="forecast", target="power", columns=COLUMNS)
    with store.writing() as out:
        prepare(frame, spec, Params(forecast=Forecast(horizon=horizon, context=24)), 0, out)
        prepared = store.put("features/prepared", out)
    model = Plugin(kind="model", name="light_gbm", params={"rounds": 20})
    data = Prepared(prepared.path)
    fitted = model.module.fit(training_data(data), model.typed, FitContext(0))
    shares = model.module.importances(fitted)
    with store.writing() as out:
        predicted = model.module.predict(fitted, data.X("test"))
        predictions(data, predicted, "test").write_parquet(out / "predictions.parquet")
        named = dict(zip(data.meta.feature_names, map(float, shares), strict=True))
        (out / "importances.json").write_text(json.dumps(named))
        train = store.put("train/light_gbm", out)
    with store.writing() as out:
        scores = {"resamples": [0, 1], "scores": {"forecast_mae": [0.2, 0.1]}}
        (out / "scores.json").write_text(json.dumps(scores))
        resamples = store.put("compare/light_gbm/resamples", out)
    return {a.name: a for a in (clean, prepared, train, resamples)}, predicted


@pytest.mark.parametrize("horizon", [1, 6])
def test_the_facts_of_a_forecast(horizon):
    by_name, predicted = made(horizon)
    board = {"models": [{"name": "light_gbm"}], "primary": "forecast_mae"}
    found = series.facts(by_name, board)
    json.dumps(found, allow_nan=False)
    fan = found["fans"][0]
    assert len(found["fans"]) == (1 if horizon == 1 else 4)
    assert len(fan["times"]) == len(fan["actual"]) == len(fan["quantiles"][0])
    if horizon > 1:
        assert len(fan["past"]["times"]) == 24
        assert fan["past"]["times"][-1] < fan["times"][0]
    step = found["by_step"]["light_gbm"]
    assert len(step["error"]) == horizon
    assert 0.5 < step["covered"] <= 1
    assert step["stated"] == 0.8
    assert set(found["drivers"]["light_gbm"]) >= {"power", "heat"}
    assert sum(found["drivers"]["light_gbm"].values()) == pytest.approx(1)
    assert found["origins"]["light_gbm"]["value"] == [0.2, 0.1]
    overview = found["overview"]["channels"]
    assert list(overview) == ["power", "heat"]
    gone = [m for m in overview["power"]["missing"] if m is not None and m > 0.99]
    assert len(gone) == pytest.approx(31 / 600 * len(overview["power"]["missing"]), abs=2)
    assert found["overview"]["repairs"] == {
        "heat": {
            "days": ["2026-03-02"],
            "cells": [5],
            "words": ["spikes: emptied 3; fill_gaps: filled 2"],
        },
        "": {"days": ["2026-03-02"], "cells": [1], "words": ["spikes: removed 1 rows"]},
    }
    lags, rows = found["correlations"]["lags"], found["correlations"]["channels"]
    assert lags[int(np.argmax(rows["heat"]))] == 3
    assert rows["power"][0] == pytest.approx(1)
    charts = series_figures.figures(found)
    assert {"fan-0", "drivers", "overview", "correlations", "origins"} <= set(charts)
    assert ("by-step" in charts) == (horizon > 1)
    assert len(charts["overview"]["layout"]["shapes"]) == 2  # the gap, in each channel
    marks = [t for t in charts["overview"]["data"] if t["name"] == "repairs"]
    assert [mark["yaxis"] for mark in marks] == ["y2", "y3"]
    assert marks[0]["text"] == ["spikes: emptied 3; fill_gaps: filled 2"]
    assert "light_gbm" in series_figures.described(found)["by-step"]
    assert predicted.shape[1:] == (horizon, 3)


def test_other_tasks_have_no_series(sources):
    by_name = {source.name: source for source in sources}
    assert series.facts(by_name, {}) == {}
    assert series_figures.figures({}) == {}
