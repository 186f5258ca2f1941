"""The task of `benchmark`, without Prefect's engine and in this process."""

import json
import shutil
from contextlib import nullcontext

from tasks.benchmark import task
from tasks.benchmark.params import Params
from tasks.core import child, slots, store
from tests.compressed import Study, technique
from tests.prepared import prepared_table


def test_it_measures_in_the_quiet_lane(tmp_path, monkeypatch):
    lanes = []
    monkeypatch.setenv("TEMPER_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(child, "run", lambda work, *args, **rest: work(*args))
    monkeypatch.setattr(slots, "quiet", lambda device: lanes.append(device) or nullcontext())
    study = Study(prepared_table(tmp_path / "prepared"), tmp_path)

    def put(name, folder):
        with store.writing() as out:
            shutil.copytree(folder, out, dirs_exist_ok=True)
            return store.put(name, out)

    variants = [
        put("compress/linear/fp32", study.fp32("linear")),
        put("compress/linear/cut", study.compressed("linear", "cut", technique("truncate"))),
    ]
    params = Params(
        engines=["native", "onnx_runtime"], batch_sizes=[1], samples=20, rounds=10, time_budget_s=1
    )
    made = task.measure.fn(
        variants,
        [put("train/linear", study.fitted("linear"))],
        [study.model("linear")],
        params.plugins(),
        study.metrics,
        put("features/prepared", study.data.folder),
        params,
        0,
        "cpu",
        "this machine",
    )
    assert made.name == "benchmark/measurements"
    assert lanes == ["cpu"]
    rows = json.loads(made.file("measurements.json").read_text())["rows"]
    assert [(r["variant"], r["engine"], r["status"]) for r in rows] == [
        ("linear/fp32", "native", "ok"),
        ("linear/fp32", "onnx_runtime", "ok"),
    ]
    assert made.file("latencies.parquet").exists()
