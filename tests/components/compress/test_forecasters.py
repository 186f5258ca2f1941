"""Networks that forecast through the techniques of compression: on integers, thinner, taught."""

import datetime as dt
from pathlib import Path
from typing import Any

import onnx
import polars as pl
import pytest

from tasks.core.schema import ROW, Column, Table
from tasks.features.params import Params
from tests.compressed import QUICK, Study, certificate, recipe_of, technique
from tests.forecasts import SEASON, series
from tests.prepared import prepared

FITS = {"lstm": 6, "tcn": 6, "tft": 2}  # epochs


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return made(tmp_path_factory.mktemp("forecasters"))


def made(folder: Path, **more: Any) -> Study:
    """Return models of windows of a small series, cut as usual or as `more` says."""
    steps = 420
    target, other, known = series(steps)
    start = dt.datetime(2026, 1, 1)
    frame = pl.DataFrame(
        {
            ROW: pl.Series(range(1, steps + 1), dtype=pl.UInt32),
            "time": [start + dt.timedelta(hours=i) for i in range(steps)],
            **{"target": target, "other": other, "known": known},
        }
    )
    columns = {"time": Column(type="datetime", role="time"), "target": Column(role="target")}
    columns |= {"other": Column(), "known": Column()}
    numbers = {n: c.model_copy(update={"type": c.type or "float"}) for n, c in columns.items()}
    spec = Table(task="forecast", target="target", columns=numbers)
    windows = {"horizon": 3, "context": 12, "season": SEASON, "known": ["known"], "calendar": False}
    windows |= more
    params = Params.model_validate({"forecast": windows})
    return Study(prepared(frame, spec, folder / "prepared", params), folder)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(QUICK, "light_gbm", {"rounds": 60, "min_leaf": 8})
    monkeypatch.setitem(QUICK, "xg_boost", {"rounds": 60})
    for name, epochs in FITS.items():
        params = {"epochs": epochs, "width": 16, "batch_size": 32, "learning_rate": 0.02}
        monkeypatch.setitem(QUICK, name, params)


@pytest.mark.parametrize("name", ["ptq_int8", "ptq_int4", "low_rank", "fp16", "sparse_2_4"])
@pytest.mark.parametrize("model", FITS)
def test_a_forecaster_is_compressed(study, model, name):
    stated = certificate(study.compressed(model, name, *recipe_of(name)))
    assert stated["status"] == "ok", stated["reason"]
    before = certificate(study.fp32(model))["metrics"]["pinball"]
    slack = 1.03 if name in ("ptq_int8", "ptq_int4", "fp16") else 2.0  # the others fit further
    assert stated["metrics"]["pinball"] < slack * before


@pytest.mark.parametrize("model", FITS)
def test_channels_in_time_are_not_taken_out(study, model):
    stated = certificate(study.compressed(model, "cut", *recipe_of("prune_structured")))
    assert stated["status"] == "not_applicable"
    assert "`distill` fits a narrower one" in stated["reason"]


def test_integers_reach_the_lstm_too(study):
    folder = study.compressed("lstm", "ptq_int8", *recipe_of("ptq_int8"))
    kinds = {n.op_type for n in onnx.load(folder / "model.onnx").graph.node}
    assert "DynamicQuantizeLSTM" in kinds
    assert "LSTM" not in kinds
    before = certificate(study.fp32("lstm"))
    assert certificate(folder)["weight_bytes"] < 0.5 * before["weight_bytes"]


def test_an_lstm_is_among_the_layers_that_are_told_and_repaired(study):
    int8 = technique("ptq_int8")
    [told] = study.explained("lstm", "ptq_int8", int8)
    lstms = [b for b in told.layers if b.operator == "LSTM"]
    assert lstms
    assert all(b.error > 0 and b.weights > 1000 for b in lstms)
    folder = study.compressed("lstm", "repaired", int8, technique("repair", max_drop=0.5))
    kept = certificate(folder)["facts"]["repair"]["kept_in_float"]
    kinds = [n.op_type for n in onnx.load(folder / "model.onnx").graph.node]
    assert kinds.count("DynamicQuantizeLSTM") == len([b for b in lstms if b.name not in kept])


@pytest.mark.parametrize("model", ["lstm", "tcn"])
def test_a_narrower_one_is_taught(study, model):
    stated = certificate(study.compressed(model, "taught", *recipe_of("distill")))
    assert stated["status"] == "ok", stated["reason"]
    assert stated["weight_bytes"] < 0.6 * certificate(study.fp32(model))["weight_bytes"]
    assert set(stated["facts"]["distill"]) == {"alone", "taught"}


def test_trees_of_a_forecast_teach_none(study):
    stated = certificate(study.compressed("light_gbm", "taught", *recipe_of("distill")))
    assert stated["status"] == "not_applicable", stated["reason"]
    assert "quantiles" in stated["reason"]


@pytest.mark.parametrize("model", ["light_gbm", "xg_boost", "lstm", "tcn", "tft"])
def test_a_sequence_regression_is_learnt_exported_and_compressed(tmp_path, model):
    study = made(tmp_path, own_past=False, horizon=1, known=[])
    meta = study.data.meta
    assert meta.sequence
    assert meta.sequence.channels == ("other", "known")
    stated = certificate(study.fp32(model))
    assert stated["status"] == "ok", stated["reason"]
    y = study.data.y(meta.judged)
    spread = abs(y - sorted(y.ravel())[len(y) // 2]).mean()
    assert stated["metrics"]["forecast_mae"] < 0.92 * spread  # .77 is the season, which is not seen
    small = certificate(study.compressed(model, "fp16", *recipe_of("fp16")))
    assert small["status"] == "ok" or model in ("light_gbm", "xg_boost"), small["reason"]


@pytest.mark.parametrize(
    ("model", "name"),
    [("lstm", "bf16"), ("lstm", "prune_unstructured"), ("tcn", "sparse_2_4"), ("tft", "low_rank")],
)
def test_its_layers_are_told(study, model, name):
    [told] = study.explained(model, name, *recipe_of(name))
    assert told.layers
    errors = [b.error for b in told.layers]
    assert errors == sorted(errors, reverse=True)
    assert 0 < errors[0] < 10
    assert 0 < told.moved < 10
