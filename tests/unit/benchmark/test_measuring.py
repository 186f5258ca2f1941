"""A whole small benchmark, and what happens where an engine is absent, fails or falls back."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest

from tasks.benchmark import loading, measuring
from tasks.benchmark.engines import onnx_runtime, open_vino
from tasks.benchmark.params import Params
from tasks.benchmark.subject import Rows, Subject
from tasks.core.errors import EngineUnavailable
from tasks.core.plugins import Plugin
from tests.compressed import Study, certificate, technique
from tests.prepared import prepared_table

SMALL = {"samples": 40, "samples_more": 20, "rounds": 10, "time_budget_s": 1}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("benchmark")
    data = prepared_table(folder / "prepared", "classification", with_categories=False)
    return Study(data, folder)


def work(study: Study, engines, names=("linear",)) -> measuring.Work:
    variants = [study.fp32(n) for n in names]
    variants += [study.compressed(n, "fp16", technique("fp16")) for n in names]
    return measuring.Work(
        variants=variants,
        fitted={n: study.fitted(n) for n in names},
        models={n: study.model(n) for n in names},
        engines=[Plugin(kind="engine", name=e) for e in engines],
        metrics=study.metrics,
        prepared=study.data.folder,
    )


def measured(folder: Path, content: measuring.Work, **params):
    folder.mkdir(exist_ok=True)
    settings = Params(**{**SMALL, "engines": [e.name for e in content.engines], **params})
    measuring.write(folder, content, settings, 0, "cpu")
    return json.loads((folder / "measurements.json").read_text())


@pytest.fixture(scope="module")
def found(study, tmp_path_factory):
    engines = ["native", "onnx_runtime", "open_vino", "tensor_rt", "torch_eager"]
    folder = tmp_path_factory.mktemp("found")
    return folder, measured(folder, work(study, engines, ("linear", "light_gbm")))


def test_every_variant_and_engine_has_rows_or_a_reason(found):
    rows = found[1]["rows"]
    ok = {(r["variant"], r["engine"], r["batch"]) for r in rows if r["status"] == "ok"}
    expected = {
        (v, e, b)
        for v, engines in {
            "linear/fp32": ("native", "onnx_runtime", "open_vino"),
            "linear/fp16": ("onnx_runtime", "open_vino"),
            "light_gbm/fp32": ("native", "onnx_runtime"),
        }.items()
        for e in engines
        for b in (1, 64)
    }
    assert ok == expected
    reasons = {(r["variant"], r["engine"]): r["reason"] for r in rows if r["status"] != "ok"}
    assert "tree ensembles" in reasons["light_gbm/fp32", "open_vino"]
    assert "the model's library cannot run it" in reasons["linear/fp16", "native"]
    assert reasons["linear/fp32", "torch_eager"] == "not a torch net"
    assert "pip install" in reasons["*", "tensor_rt"]


def test_a_certificate_carries_latency_and_speed_up_of_each_engine(found):
    folder, content = found
    certificates = json.loads((folder / "certificates.json").read_text())
    assert {"linear/fp32", "linear/fp16", "light_gbm/fp32"} <= set(certificates)
    stated = certificates["linear/fp16"]
    assert stated["label"] == "fp16"
    assert stated["metrics"]
    by_engine = {(m["engine"], m.get("batch")): m for m in stated["measured"]}
    assert by_engine["native", None]["reason"]
    row = next(
        r
        for r in content["rows"]
        if (r["variant"], r["engine"], r["batch"]) == ("linear/fp16", "onnx_runtime", 1)
    )
    mine = by_engine["onnx_runtime", 1]
    assert mine["p50_low"] <= mine["p50_ms"] <= mine["p50_high"]
    assert mine["speedup_low"] <= mine["speedup"] <= mine["speedup_high"]
    assert all(row[key] == value for key, value in mine.items())


def test_a_row_carries_latency_accuracy_memory_and_where_it_ran(found):
    for row in found[1]["rows"]:
        if row["status"] != "ok":
            continue
        assert row["p50_low"] <= row["p50_ms"] <= row["p50_high"]
        assert row["p99_ms"] == "insufficient"  # 40 samples
        assert row["throughput_rows_s"] > 0
        assert row["frames_s"] is None
        assert row["gpu_share"] is None
        assert row["memory_mib"] >= 0
        assert set(row["metrics"]) >= {"accuracy", "log_loss"}
        assert row["max_abs_difference"] < (1e-4 if row["variant"].endswith("fp32") else 0.01)
        if row["engine"] == "onnx_runtime":
            assert list(row["nodes"]) == ["CPUExecutionProvider"]
        assert row["quantised_share"] in (0.0, None)
        assert row["engine"] != "open_vino" or row["quantised_share"] == 0.0
        paired = row["variant"] == "linear/fp16"
        assert (row["speedup"] is not None) == paired
        if paired:
            assert row["speedup_low"] <= row["speedup_high"]


def test_accuracy_through_the_engine_is_that_of_the_certificate(found, study):
    stated = certificate(study.fp32("linear"))["metrics"]
    for row in found[1]["rows"]:
        if row["variant"] == "linear/fp32" and row["engine"] == "onnx_runtime":
            assert row["metrics"] == pytest.approx(stated)


def test_the_protocol_and_the_machine_stand_beside(found):
    content = found[1]
    assert content["protocol"]["warm_up"] >= 20
    assert content["protocol"]["rounds"] == 10
    assert content["protocol"]["threads"] == 1
    assert len(content["protocol"]["drifts"]) in (1, 2)
    assert content["protocol"]["notes"]["native"] == "without preparation"
    assert len(content["load_average"]["before"]) == 3
    assert "onnxruntime" in content["machine"]["libraries"]


def test_every_latency_is_kept(found):
    folder, content = found
    frame = pl.read_parquet(folder / "latencies.parquet")
    assert frame.columns == ["variant", "engine", "batch", "round", "ms"]
    counts = frame.group_by("variant", "engine", "batch").len()
    ok = [r for r in content["rows"] if r["status"] == "ok"]
    assert len(counts) == len(ok)
    assert counts["len"].sum() == sum(r["samples"] for r in ok)
    assert frame["round"].n_unique() == 10


def test_an_engine_that_fails_is_a_row_and_the_others_go_on(study, tmp_path, monkeypatch):
    def load(*rest):
        raise RuntimeError("out of\n  order")

    from tasks.benchmark.engines import native

    monkeypatch.setattr(native, "load", load)
    rows = measured(tmp_path, work(study, ["native", "onnx_runtime"]), batch_sizes=[1])["rows"]
    failed = [r for r in rows if r["status"] == "failed"]
    assert [(r["variant"], r["reason"]) for r in failed] == [
        ("linear/fp32", "RuntimeError: out of order")
    ]
    assert sum(r["status"] == "ok" for r in rows) == 2


@pytest.mark.parametrize("engine", [onnx_runtime.OnnxRuntime, open_vino.OpenVino])
def test_wrong_predictions_of_an_engine_do_not_count(engine, study, tmp_path, monkeypatch):
    right = engine.run
    monkeypatch.setattr(engine, "run", lambda s, f: right(s, f)[:, ::-1])
    rows = measured(tmp_path, work(study, ["onnx_runtime", "open_vino"]), batch_sizes=[1])["rows"]
    wrong = {(r["variant"], r["engine"]): r for r in rows if r["status"] == "failed"}
    name = engine.__module__.rpartition(".")[2]
    assert (
        "does not predict what the variant is certified to" in wrong["linear/fp32", name]["reason"]
    )
    if name == "open_vino":
        assert set(wrong) == {("linear/fp32", name), ("linear/fp16", name)}


@pytest.mark.parametrize("close", [0.0, 1e-4])
def test_how_far_an_engine_is_off_is_a_share_of_what_predictions_vary_by(close):
    varied = np.array([[0.0], [2.0]])
    assert loading._apart(varied + close, varied) == pytest.approx(close)
    assert loading._apart(varied[::-1], varied) == pytest.approx(2)
    constant = np.full((9, 1), 50.0)
    assert loading._apart(constant + close, constant) < loading.APART
    assert loading._apart(constant + 1, constant) > loading.APART


def subject(study: Study) -> Subject:
    folder = study.fp32("linear")
    return Subject(
        *(certificate(folder), folder / "model.onnx", study.model("linear").module),
        *(study.fitted("linear"), study.data.meta),
    )


def test_openvino_knows_inputs_whose_tensors_have_other_names_too(study, tmp_path):
    graph = onnx.load(subject(study).graph)
    for item in graph.graph.input:
        copy = f"0 {item.name}"  # OpenVINO's own choice is the first of the alphabet
        for node in graph.graph.node:
            node.input[:] = [copy if name == item.name else name for name in node.input]
        graph.graph.node.insert(0, onnx.helper.make_node("Identity", [item.name], [copy]))
    onnx.save(graph, tmp_path / "model.onnx")
    given = replace(subject(study), graph=tmp_path / "model.onnx")
    rows = Rows(study.data.feed("test"), study.data.X("test"))
    sessions = [
        module.load(given, module.Params(), "cpu", 1) for module in (open_vino, onnx_runtime)
    ]
    one, other = (session.run(session.feed(rows)) for session in sessions)
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_provider_that_does_not_start_is_an_error(study):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnxruntime says that it has no such provider
        providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
        with pytest.raises(EngineUnavailable, match="did not start"):
            onnx_runtime.on_provider(subject(study), providers, 1, 0.5)


def test_nodes_that_fall_back_are_an_error(study, monkeypatch):
    placed = {"CPUExecutionProvider": 3, "OtherExecutionProvider": 5}
    monkeypatch.setattr(onnx_runtime, "_placed", lambda *rest: placed)
    with pytest.raises(EngineUnavailable, match=r"ran 3 of 8 nodes.*OtherExecutionProvider"):
        onnx_runtime.on_provider(subject(study), ["CPUExecutionProvider"], 1, 0.5)


def test_too_few_judged_rows_come_again_in_large_batches():
    takes = measuring._batches(rows=10, size=64)
    assert len(takes) == 1
    assert set(takes[0]) == set(range(10))
    assert len(takes[0]) == 64
    assert [t.tolist() for t in measuring._batches(4, 2)] == [[0, 1], [2, 3]]
