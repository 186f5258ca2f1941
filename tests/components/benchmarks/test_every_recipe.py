"""Certificates held against the files alone, in a process that cannot import Temper."""

import json
from pathlib import Path

import pytest

from benchmarks.digits import Digits
from benchmarks.every_recipe import RECIPES, held, swept
from flows.workload import build

DIGITS = {
    "table": {"task": "classification", "target": "digit"},
    "ingest": {"dataset": "digits"},
    "train": {"models": {"linear": {"max_iterations": 20}, "light_gbm": {"rounds": 5}}},
}
FEW = ("int8_cpu", "int8_trt", "short_thresholds")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Digits:
    digits = Digits(tmp_path_factory.mktemp("digits"), build("digits", DIGITS))
    for name in digits.models:
        swept(digits, name, {label: RECIPES[label] for label in FEW})
    return digits


def test_certificates_hold_and_a_planted_one_is_found(made: Digits, capfd):
    code, rows = held(made)
    assert code == 0, capfd.readouterr().out
    found = {(row["variant"], row["engine"]): row["status"] for row in rows}
    assert found["linear/int8_cpu", "open_vino"] == found["linear/int8_trt", "onnx_runtime"] == "ok"
    assert found["light_gbm/short_thresholds", "onnx_runtime"] == "ok"
    assert found["light_gbm/short_thresholds", "open_vino"] == "skipped"
    assert found["linear/short_thresholds", ""] == "not_applicable"

    path: Path = made.folder / "compress" / "linear" / "int8_cpu" / "variant.json"
    kept = path.read_text()
    stated = json.loads(kept)
    stated["metrics"]["accuracy"] += 1 / made.data.meta.parts["test"]  # one row more
    path.write_text(json.dumps(stated))
    code, rows = held(made)
    path.write_text(kept)
    assert code == 1
    wrong = {
        (row["variant"], row["engine"], row["why"]) for row in rows if row["status"] == "differs"
    }
    assert wrong == {("linear/int8_cpu", "onnx_runtime", "accuracy")}
