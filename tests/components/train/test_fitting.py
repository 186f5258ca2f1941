"""Fitting on a real prepared folder: what is written, and that it is the same every time."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.core.artifacts import folder_digest
from tasks.core.plugins import plugin
from tasks.core.prepared import Prepared
from tasks.core.schema import ROW
from tasks.train import fitting
from tests.prepared import prepared_digits, prepared_table

QUICK = {"rounds": 12, "num_leaves": 6}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("prepared")
    return {
        "regression": prepared_table(base / "r", "regression").folder,
        "classification": prepared_table(base / "c", "classification").folder,
    }


def fitted(name: str, params: dict, prepared: Path, out: Path, seed: int = 1) -> Path:
    out.mkdir()
    fitting.fit_model(name, params, prepared, out, seed, 1, "cpu", None)
    return out


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_the_files_of_a_fitted_model(folders, task, tmp_path):
    out = fitted("light_gbm", QUICK, folders[task], tmp_path / "out")
    prepared = Prepared(folders[task])
    meta = prepared.meta
    table = pl.read_parquet(out / "predictions.parquet")
    assert table[ROW].to_list() == prepared.row_numbers(meta.judged).tolist()
    np.testing.assert_array_equal(table["y"].to_numpy(), prepared.y(meta.judged))
    module = plugin("model", "light_gbm")
    expected = module.predict(module.load(out), prepared.X(meta.judged))
    if task == "regression":
        np.testing.assert_allclose(table["prediction"].to_numpy(), expected, rtol=1e-6)
    else:
        found = table.select(pl.col("^p_.*$")).to_numpy()
        assert table.columns[2:] == ["p_0", "p_1", "p_2"]
        np.testing.assert_allclose(found, expected, atol=1e-6)
    curves = json.loads((out / "curves.json").read_text())
    assert curves["x"] == "round"
    assert {name.split()[0] for name in curves["curves"]} == {"train", "stop"}
    shares = json.loads((out / "importances.json").read_text())
    assert set(shares) == set(meta.feature_names)
    assert sum(shares.values()) == pytest.approx(1)
    facts = json.loads((out / "fit.json").read_text())
    stop = int(prepared.stop.sum())
    assert (facts["n_train"], facts["n_stop"]) == (meta.parts["train"] - stop, stop)
    assert facts["params"]["num_leaves"] == 6
    assert facts["estimator"] == "lightgbm on cpu"
    assert "pieces" not in facts


@pytest.mark.parametrize(
    ("name", "params"),
    [("baseline", {}), ("linear", {}), ("light_gbm", QUICK), ("mlp", {"epochs": 2, "width": 8})],
)
def test_the_same_fit_gives_the_same_digest(folders, tmp_path, name, params):
    digests = {
        folder_digest(fitted(name, params, folders["regression"], tmp_path / str(i)))
        for i in range(2)
    }
    assert len(digests) == 1


def test_the_judged_part_does_not_matter_to_the_fit(folders, tmp_path):
    import shutil

    source = folders["regression"]
    other = tmp_path / "other"
    shutil.copytree(source, other)
    judged = Prepared(source).meta.judged
    for file in (f"X_{judged}.npy", f"y_{judged}.npy"):
        (other / file).chmod(0o644)
        np.save(other / file, np.load(other / file) * 0)
    a = fitted("light_gbm", QUICK, source, tmp_path / "a")
    b = fitted("light_gbm", QUICK, other, tmp_path / "b")
    assert (a / "model.txt").read_bytes() == (b / "model.txt").read_bytes()
    assert (a / "fit.json").read_bytes() == (b / "fit.json").read_bytes()


def test_the_task_gives_the_model_and_how_its_fit_went(folders, tmp_path, monkeypatch):
    import shutil

    from tasks.core import store
    from tasks.core.plugins import Plugin
    from tasks.train.task import fit

    monkeypatch.setenv("TEMPER_HOME", str(tmp_path / "home"))
    with store.writing() as out:
        shutil.copytree(folders["regression"], out, dirs_exist_ok=True)
        prepared = store.put("features/prepared", out)
    model, telemetry = fit.fn(
        Plugin(kind="model", name="linear"), prepared, 1, 60.0, seed=0, device="cpu"
    )
    assert (model.name, telemetry.name) == ("train/linear", "telemetry/linear")
    assert model.file("predictions.parquet").exists()
    measured = json.loads(telemetry.file("telemetry.json").read_text())
    assert measured["gpu"] is None
    assert measured["wall_s"] > 0
    assert measured["peak_memory_mib"] > 10
    assert not list((tmp_path / "home" / "checkpoints").iterdir())


def test_after_an_out_of_memory_the_batches_are_split_and_that_is_recorded(
    folders, tmp_path, monkeypatch
):
    """A device that a batch of 8 rows fits on, and one of 16 does not."""
    import shutil

    from tasks.compare.params import Resampling
    from tasks.compare.task import resample
    from tasks.core import child, store
    from tasks.core.errors import OutOfMemory
    from tasks.core.plugins import Plugin
    from tasks.train.task import fit

    run = child.run

    def small(function, *arguments, **options):
        pieces = arguments[-1]
        if 16 / pieces > 8:
            raise OutOfMemory("CUDA out of memory")
        return run(function, *arguments, **options)

    monkeypatch.setenv("TEMPER_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(child, "run", small)
    with store.writing() as out:
        shutil.copytree(folders["regression"], out, dirs_exist_ok=True)
        prepared = store.put("features/prepared", out)
    params = {"epochs": 2, "width": 8, "batch_size": 16}
    network = Plugin(kind="model", name="mlp", params=params)
    model, telemetry = fit.fn(network, prepared, 1, 60.0, 0, "cpu")
    assert json.loads(model.file("fit.json").read_text())["pieces"] == 2
    assert json.loads(telemetry.file("telemetry.json").read_text())["pieces"] == 2
    scores = resample.fn(network, prepared, Resampling(resamples=2), [], 0, "cpu")
    assert json.loads(scores.file("scores.json").read_text())["pieces"] == 2
    with pytest.raises(OutOfMemory):
        fit.fn(Plugin(kind="model", name="linear"), prepared, 1, 60.0, 0, "cpu")


@pytest.mark.slow
def test_the_convnet_reads_digits(tmp_path):
    prepared = prepared_digits(tmp_path / "prepared")
    out = fitted("convnet", {}, prepared.folder, tmp_path / "out", seed=0)
    table = pl.read_parquet(out / "predictions.parquet")
    predicted = table.select(pl.col("^p_.*$")).to_numpy().argmax(1)
    assert (predicted == table["y"].to_numpy()).mean() >= 0.985
