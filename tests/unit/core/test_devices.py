"""Which device a model is fitted on, where a GPU, or the library for it, is or is not there."""

import json
import shutil

import pytest

from tasks.core import child, devices, store, telemetry
from tasks.core.errors import EngineUnavailable
from tasks.core.plugins import Plugin, names, plugin
from tests.prepared import prepared_table

MISSING = "cuML is not installed; x"


@pytest.fixture
def no_cuml(monkeypatch):
    """Let no model have a library for the GPU, and ask in this process, where that holds."""
    for name in names("model"):
        if hasattr(plugin("model", name), "gpu_missing"):
            monkeypatch.setattr(plugin("model", name), "gpu_missing", lambda: MISSING)
    monkeypatch.setattr(devices, "placed", devices.place)


def test_on_the_cpu_nothing_is_asked():
    assert devices.placed("linear", "cpu") == ("cpu", None)


def test_a_model_without_gpu_implementation_runs_on_the_cpu_and_says_so():
    device, note = devices.place("light_gbm", "cuda", demanded=True)
    assert (device, note) == ("cpu", "light_gbm runs on the CPU: it has no GPU implementation")


def test_a_missing_library_is_told_with_the_way_to_get_it(no_cuml, monkeypatch):
    assert devices.place("linear", "cuda") == ("cpu", f"linear runs on the CPU: {MISSING}")
    with pytest.raises(EngineUnavailable, match="cuda was asked for, but cuML is not installed"):
        devices.place("linear", "cuda", demanded=True)
    monkeypatch.setattr(plugin("model", "linear"), "gpu_missing", lambda: None)
    assert devices.place("linear", "cuda") == ("cuda", None)


def test_the_child_that_is_asked_answers():
    assert devices.placed("light_gbm", "cuda").device == "cpu"


@pytest.fixture
def memory(monkeypatch):
    """Give a GPU of 1000 MiB; the test sets how much of it is free."""
    stated = {"free": 1000}
    monkeypatch.setattr(devices, "gpus", lambda: (devices.Gpu("A GPU", 1000, "1"),))
    monkeypatch.setattr(devices, "memory", lambda: devices.Memory(stated["free"], 1000))
    return stated


@pytest.mark.parametrize(
    ("free", "promised", "need", "expected"),
    [
        (1000, 0, 1000, True),
        (999, 0, 1000, False),  # somebody has taken some
        (1000, 600, 400, True),
        (1000, 600, 401, False),  # admitted, and has not taken it yet
        (400, 600, 400, True),  # has taken it
        (100, 1000, 0, True),  # no need is stated
    ],
)
def test_admission_by_what_is_free_and_what_is_promised(memory, free, promised, need, expected):
    memory["free"] = free
    assert devices.admits(need, promised) is expected


def test_a_need_larger_than_the_gpu_is_refused(memory):
    devices.require(1000)
    with pytest.raises(EngineUnavailable, match=r"needs 1,001 MiB .* A GPU has 1,000 MiB"):
        devices.require(1001)


def test_without_an_answer_of_nvml_everything_is_admitted(monkeypatch):
    monkeypatch.setattr(devices, "memory", lambda: None)
    devices.require(10**9)
    assert devices.admits(10**9, 10**9)


def test_a_need_is_the_files_and_a_context(tmp_path):
    for name, size in (("X.npy", 3 * devices.MIB), ("y.npy", devices.MIB)):
        with open(tmp_path / name, "wb") as file:
            file.truncate(size)
    assert devices.need_mib(tmp_path / "X.npy", tmp_path / "y.npy") == devices.CONTEXT_MIB + 4


@pytest.mark.parametrize("name", ["linear", "random_forest", "xg_boost", "mlp", "light_gbm"])
def test_on_a_gpu_machine_without_its_library_a_model_is_fitted_on_the_cpu(
    name, no_cuml, tmp_path, monkeypatch
):
    from tasks.compare.params import Resampling
    from tasks.compare.task import resample
    from tasks.train.task import fit

    monkeypatch.setenv("TEMPER_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(telemetry, "_nvml", None, raising=False)
    monkeypatch.setattr(child, "run", _here)
    folder = tmp_path / "prepared"
    folder.mkdir()
    prepared_table(folder, rows=60)
    with store.writing() as out:
        shutil.copytree(folder, out, dirs_exist_ok=True)
        prepared = store.put("features/prepared", out)
    quick = {"mlp": {"epochs": 1}, "random_forest": {"trees": 2}, "xg_boost": {"rounds": 2}}
    model = Plugin(kind="model", name=name, params=quick.get(name, {}))
    fitted, _ = fit.fn(model, prepared, 1, 60.0, 0, "cuda")
    facts = json.loads(fitted.file("fit.json").read_text())
    assert facts["device"] == "cpu"
    assert facts["device_note"].startswith(f"{name} runs on the CPU: ")
    scores = resample.fn(model, prepared, Resampling(resamples=2), [], 0, "cuda")
    assert len(json.loads(scores.file("scores.json").read_text())["scores"]["rmse"]) == 2
    if name != "light_gbm":
        with pytest.raises(EngineUnavailable, match=f"{name}: device cuda was asked for"):
            fit.fn(model, prepared, 1, 60.0, 0, "cuda", demanded=True)


def _here(function, *args, **options):
    return child.Outcome(function(*args), 0.0, 0.0)
