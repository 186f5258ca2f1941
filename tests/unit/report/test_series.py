"""The report's facts and charts of a forecast, on small real artifacts."""

import json
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from tasks.core import store
from tasks.core.artifacts import Artifact
from tasks.core.fitting import FitContext, training_data
from tasks.core.plugins import Plugin
from tasks.core.prepared import Prepared
from tasks.core.schema import ROW, Column, Table, save_columns
from tasks.features.params import Forecast, Params
from tasks.features.prepare import prepare
from tasks.report import page, series, series_figures
from tasks.report.facts import facts
from tasks.report.params import Params as ReportParams
from tasks.train.fitting import predictions

START = datetime(2026, 3, 1)
COLUMNS = {
    "time": Column(type="datetime", role="time"),
    "power": Column(type="float", role="target"),
    "heat": Column(type="float"),
}


def made(horizon: int, **windows: Any):
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
        params = Params(forecast=Forecast(horizon=horizon, context=24, **windows))
        prepare(frame, spec, params, 0, out)
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


def test_a_sequence_regression_has_no_past_of_its_target_to_draw(temper_home):
    by_name, _ = made(2, own_past=False)
    found = series.facts(by_name, {"models": [{"name": "light_gbm"}], "primary": "forecast_mae"})
    assert found["sequence"]["channels"][0] == "heat"
    fan = found["fans"][0]
    assert fan["past"] == {"times": [], "values": []}
    prepared = pl.read_parquet(by_name["features/prepared"].file("test.parquet"))
    assert fan["times"][0][:16] in set(prepared["time"].dt.strftime("%Y-%m-%dT%H:%M"))
    assert list(found["overview"]["channels"]) == ["power", "heat"]
    assert found["correlations"]["target"] == "power"
    assert max(found["drivers"]["light_gbm"], key=found["drivers"]["light_gbm"].get) == "heat"


def test_correlations_reach_as_far_ahead_as_is_forecast(temper_home):
    found = series.facts(made(2, lead=40)[0], {"models": [], "primary": ""})
    assert found["correlations"]["lags"][-1] == 41


def test_without_a_time_column_there_are_no_series(sources):
    by_name = {source.name: source for source in sources}
    assert series.facts(by_name, {}) == {}
    assert series_figures.figures({}) == {}


def rooms(task: str = "regression", regular: bool = True) -> dict[str, Artifact]:
    """Return the artifacts of two rooms by the hour; heat leads the target by three hours, and the
    second room has no values in the middle.
    """
    random = np.random.default_rng(2)
    frames = []
    for room, begin in (("a", 0), ("b", 2000)):
        heat = np.sin(np.arange(400) / 24 * 2 * np.pi) + 0.3 * random.normal(size=400)
        y = np.roll(heat, 3) + 0.05 * random.normal(size=400)
        hours = begin + (np.arange(400) if regular else np.sort(random.random(400) * 400))
        times = [START + timedelta(hours=float(h)) for h in hours]
        gone = (room == "b") & (np.arange(400) >= 150) & (np.arange(400) < 250)
        kept = [None if g else v for v, g in zip(heat, gone, strict=True)]
        own = {"time": times, "room": [room] * 400, "heat": kept}
        y = y if task == "regression" else np.where(y > 0, "warm", "cold")
        frames.append(pl.DataFrame(own | {"y": y}))
    frame = pl.concat(frames).with_row_index(ROW, offset=1)
    columns = {
        "time": Column(type="datetime", role="time"),
        "room": Column(type="category", role="group"),
        "heat": Column(type="float"),
        "y": Column(type="float" if task == "regression" else "category", role="target"),
    }
    with store.writing() as out:
        frame.write_parquet(out / "table.parquet")
        save_columns(columns, out)
        repairs = [["sentinels", [["2026-03-02", "heat", "emptied", 3]]]]
        (out / "repairs.json").write_text(json.dumps(repairs))
        clean = store.put("clean/table", out)
    with store.writing() as out:
        spec = Table(task=task, target="y", columns=columns)
        split = Params(split={"name": "by_time"})
        prepare(frame, spec, split, 0, out)
        prepared = store.put("features/prepared", out)
    return {a.name: a for a in (clean, prepared)}


def test_a_regression_over_time_has_its_sensors_and_correlations_by_lag(temper_home):
    found = series.facts(rooms(), {})
    json.dumps(found, allow_nan=False)
    assert set(found) == {"overview", "correlations"}
    overview = found["overview"]
    assert (overview["regular"], overview["step_s"], overview["groups"]) == (True, 3600.0, 2)
    heat = np.array(overview["channels"]["heat"]["missing"])
    width = 2400 / len(heat)  # hours of a bin
    between, gap = heat[int(420 / width) : int(1980 / width)], heat[int(2160 / width) :][:5]
    assert (between == 0).all(), "no room was there: nothing is missing"
    assert (gap > 0.9).all()
    assert np.array(overview["channels"]["y"]["missing"])[int(2160 / width) :].max() < 0.3
    lags, heat = found["correlations"]["lags"], found["correlations"]["channels"]["heat"]
    assert lags[int(np.nanargmax(np.array(heat, float)))] == 3
    charts = series_figures.figures(found)
    assert set(charts) == {"overview", "correlations"}
    assert len(charts["overview"]["layout"]["shapes"]) == 1
    assert [t["yaxis"] for t in charts["overview"]["data"] if t["name"] == "repairs"] == ["y2"]
    assert "heat +1.00" in series_figures.described(found)["correlations"]


def test_without_a_grid_or_a_target_of_numbers_there_are_no_correlations(temper_home):
    found = series.facts(rooms(regular=False), {})
    assert set(found) == {"overview"}
    assert not found["overview"]["regular"]
    assert series_figures.figures(found)["overview"]["data"][0]["connectgaps"]
    found = series.facts(rooms(task="classification"), {})
    assert set(found) == {"overview"}
    assert list(found["overview"]["channels"]) == ["heat"]


def test_the_page_of_a_regression_shows_series_and_every_finding(sources, temper_home):
    found = [
        {"what": "gap", "column": "time", "detail": f"room {n}", "count": n, "first_row": None}
        for n in range(1, 30)
    ]
    content = facts([*rooms().values()], "rooms", ReportParams())
    step = {"step": "sorted_unique", "rows_before": 9, "rows_after": 9, "rows_touched": 0}
    content["cleaning"] = [step | {"cells_touched": 0, "found": found, "note": ""}]
    content["changes"] = {}
    text = page.render(content)
    assert 'href="#series">Series<' in text
    assert 'id="overview"' in text
    assert 'id="correlations"' in text
    assert all(f"room {each['count']}<" in text for each in found)
