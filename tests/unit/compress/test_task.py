"""The tasks of `compress`, without Prefect's engine and in this process."""

import shutil

import pytest

from tasks.compress import task
from tasks.core import child, store
from tasks.core.errors import TimeLimitExceeded
from tests.compressed import TOLERANCE, certificate, technique


@pytest.fixture
def inputs(numbers, tmp_path, monkeypatch):
    monkeypatch.setenv("TEMPER_HOME", str(tmp_path))
    monkeypatch.setattr(child, "run", lambda work, *args, **rest: work(*args))
    found = {}
    folders = {"fitted": numbers.fitted("linear"), "prepared": numbers.data.folder}
    for name, folder in folders.items():
        with store.writing() as out:
            shutil.copytree(folder, out, dirs_exist_ok=True)
            found[name] = store.put(name, out)
    return {**found, "model": numbers.model("linear"), "metrics": numbers.metrics}


def test_they_return_artifacts_named_after_model_and_recipe(inputs):
    limits = {"tolerance": TOLERANCE, "time_limit_s": 60}
    fp32 = task.export.fn(**inputs, **limits)
    assert fp32.name == "compress/linear/fp32"
    assert task.export.fn(**inputs, **limits).digest == fp32.digest
    rest = {"calibration_rows": 16, "seed": 0}
    half = task.compress.fn(
        fp32, recipe_label="half", recipe=[technique("fp16")], **inputs, **limits, **rest
    )
    assert half.name == "compress/linear/half"
    assert certificate(half.path)["status"] == "ok"


def test_over_the_time_limit_a_variant_has_failed(inputs, monkeypatch):
    def slow(*args, **rest):
        raise TimeLimitExceeded("not done after 1 s, ended")

    monkeypatch.setattr(child, "run", slow)
    made = task.compress.fn(
        parent=inputs["fitted"],
        recipe_label="half",
        recipe=[technique("fp16")],
        **inputs,
        **{"tolerance": TOLERANCE, "time_limit_s": 1, "calibration_rows": 16, "seed": 0},
    )
    stated = certificate(made.path)
    assert (stated["status"], stated["reason"]) == ("failed", "not done after 1 s, ended")
    assert stated["precision"] == "fp16"
