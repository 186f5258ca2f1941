"""Keras models through the sweep: LiteRT files, pruning, a student, Keras's own rounding."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tasks.benchmark import loading, measuring
from tasks.benchmark.subject import Rows, Subject
from tasks.compress import applying
from tasks.compress.protocol import Converted, Parent
from tasks.core import scoring
from tasks.core.errors import ParamsError
from tasks.core.fitting import FitContext, training_data
from tasks.core.plugins import Plugin, plugin
from tasks.nets.tuning import Tuning
from tests.compressed import Study, certificate, technique
from tests.keras_models import QUIET, given, needs_keras, needs_litert, perceptron, recurrent
from tests.prepared import prepared_digits, prepared_table

pytestmark = pytest.mark.filterwarnings(QUIET)
KERAS = plugin("model", "given_keras")
ENGINE = plugin("engine", "litert")


class KerasStudy(Study):
    """A study whose one model is a Keras file, fitted by Keras's own means of Temper's loop."""

    file: Path

    def model(self, name: str) -> Plugin:
        return given(self.file, epochs=30, learning_rate=0.01)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A classifier that Temper's loop fitted, and that then went into a file as if by others."""
    folder = tmp_path_factory.mktemp("keras")
    made = KerasStudy(prepared_digits(folder / "prepared"), folder)
    data = training_data(made.data)
    made.file = perceptron(folder / "raw.keras", data.X.shape[1], data.n_classes)
    settings = made.model("").typed
    model = KERAS.fit(data, settings, FitContext())
    model = KERAS.tune(model, settings, data, FitContext(), Tuning(30, 1.0))
    made.file = folder / "fitted.keras"
    made.file.write_bytes(KERAS.to_keras(model))
    return made


def subject(study: Study, folder: Path) -> Subject:
    stated = certificate(folder)
    return Subject(
        *(stated, folder / stated["file"], KERAS, study.fitted("given_keras"), study.data.meta)
    )


@needs_litert
@pytest.mark.parametrize(
    ("precision", "smaller", "kind"),
    [
        ("fp32", 0.9, "fp32"),
        ("fp16", 1.5, "fp16"),
        ("int8", 2, "int8"),
        ("int8_weights", 2, "int8"),
    ],
)
def test_a_litert_file_is_certified_and_runs_in_its_engine(study, precision, smaller, kind):
    data = study.data
    recipe = technique("litert", precision=precision)
    folder = study.compressed("given_keras", f"litert_{precision}", recipe, rows=256)
    stated, before = certificate(folder), certificate(study.fp32("given_keras"))
    assert stated["status"] == "ok", stated["reason"]
    assert stated["file"] == "model.tflite"
    assert stated["bytes"] == (folder / "model.tflite").stat().st_size
    assert before["weight_bytes"] / stated["weight_bytes"] > smaller
    assert stated["precision"] == kind
    shares = {"int8": 1.0, "int8_weights": 2 / 3}  # the converter leaves 320 weights as floats
    assert stated["quantised_share"] == shares.get(precision)
    assert stated["agreement"] > 0.97
    assert stated["drops"]["accuracy"]["bound"] >= stated["drops"]["accuracy"]["value"]
    assert (stated["calibration"] is not None) == (precision == "int8")
    given = subject(study, folder)
    assert ENGINE.supports(given) is None
    session = ENGINE.load(given, ENGINE.Params(), "cpu", 1)
    rows = Rows(data.feed("test"), data.X("test"))
    got = {n: session.run(session.feed(rows.part(slice(0, n)))) for n in (1, len(rows.X), 17)}
    found = scoring.scores("classification", data.y("test"), got[len(rows.X)], study.metrics)
    assert found == pytest.approx(stated["metrics"])
    np.testing.assert_allclose(got[17], got[len(rows.X)][:17], atol=0.02)
    for name in ("onnx_runtime", "open_vino", "tensor_rt", "onnx_runtime_cuda", "native"):
        assert plugin("engine", name).supports(given)
    assert "an ONNX graph" in ENGINE.supports(subject(study, study.fp32("given_keras")))


@needs_litert
def test_the_same_bytes_each_time_from_the_fitted_model_alone(study):
    labels = ("litert_int8", "again")
    folders = [study.compressed("given_keras", n, technique("litert"), rows=256) for n in labels]
    first, second = ((f / "model.tflite").read_bytes() for f in folders)
    assert first == second
    early = study.compressed("given_keras", "early", technique("fp16"), technique("litert"))
    assert "it starts from the fitted model" in certificate(early)["reason"]


@needs_litert
def test_what_the_converter_does_not_take_says_why(tmp_path):
    made = KerasStudy(prepared_table(tmp_path / "p", rows=80, with_categories=False), tmp_path)
    made.file = recurrent(tmp_path / "r.keras", made.data.X("train").shape[1])
    stated = certificate(made.compressed("given_keras", "l", technique("litert")))
    assert stated["status"] == "not_applicable"
    assert "LiteRT's converter does not take it" in stated["reason"]
    assert "TensorList" in stated["reason"]
    assert "/" + "tmp" not in stated["reason"]


@needs_litert
def test_a_measurement_of_both_kinds_of_file(study, tmp_path):
    converted = study.compressed("given_keras", "litert_int8", technique("litert"), rows=256)
    work = loading.Work(
        variants=[study.fp32("given_keras"), converted],
        fitted={"given_keras": study.fitted("given_keras")},
        models={"given_keras": study.model("given_keras")},
        engines=[Plugin(kind="engine", name=n) for n in ("onnx_runtime", "litert", "torch_eager")],
        metrics=study.metrics,
        prepared=study.data.folder,
    )  # fmt: skip
    params = measuring.Params(batch_sizes=[1, 16], samples=20, samples_more=20, rounds=10)
    measuring.write(tmp_path, work, params, 0, "cpu")
    rows = json.loads((tmp_path / "measurements.json").read_text())["rows"]
    found = {(r["variant"].split("/")[1], r["engine"]): r["status"] for r in rows}
    assert found == {
        ("fp32", "onnx_runtime"): "ok", ("fp32", "litert"): "unsupported",
        ("fp32", "torch_eager"): "ok", ("litert_int8", "onnx_runtime"): "unsupported",
        ("litert_int8", "litert"): "ok", ("litert_int8", "torch_eager"): "unsupported",
    }  # fmt: skip


@needs_keras
def test_techniques_for_networks_change_a_keras_model_or_say_why_not(study):
    before = certificate(study.fp32("given_keras"))
    int8 = certificate(study.compressed("given_keras", "q", technique("ptq_int8"), rows=256))
    assert int8["status"] == "ok"
    assert int8["quantised_share"] > 0.5
    pruned = technique("prune_unstructured", share=0.6, steps=2, epochs=4)
    stated = certificate(study.compressed("given_keras", "pruned", pruned))
    assert stated["status"] == "ok", stated["reason"]
    assert stated["nonzero_share"] == pytest.approx(0.4, abs=0.01)
    assert stated["agreement"] > 0.9
    [told] = study.explained("given_keras", "pruned", pruned)
    assert {b.name for b in told.layers} == {"dense", "dense_1", "dense_2"}
    assert all(b.error > 0 and b.inside is None for b in told.layers)
    student = certificate(study.compressed("given_keras", "student", technique("distill")))
    assert student["status"] == "ok", student["reason"]
    assert student["weight_bytes"] < 0.6 * before["weight_bytes"]
    assert set(student["facts"]["distill"]) == {"alone", "taught"}
    assert student["metrics"]["accuracy"] > 0.85
    own = certificate(study.compressed("given_keras", "own", technique("keras_int8")))
    assert own["status"] == "ok", own["reason"]
    assert own["weight_bytes"] < 0.4 * before["weight_bytes"]
    assert own["agreement"] > 0.95
    for name in ("prune_structured", "low_rank", "sparse_2_4", "qat"):
        stated = certificate(study.compressed("given_keras", name, technique(name)))
        assert stated["status"] == "not_applicable"
        assert "Keras" in stated["reason"]


@needs_litert
def test_a_pruned_model_becomes_a_litert_file_with_its_zeros(study):
    pruned = technique("prune_unstructured", share=0.6, steps=1, epochs=1)
    folder = study.compressed("given_keras", "both", pruned, technique("litert"))
    stated = certificate(folder)
    assert stated["status"] == "ok", stated["reason"]
    assert stated["nonzero_share"] < 0.42


def test_without_keras_other_models_get_a_reason(tmp_path):
    made = Study(prepared_table(tmp_path / "p", rows=80, with_categories=False), tmp_path)
    for name in ("litert", "keras_int8"):
        stated = certificate(made.compressed("mlp", name, technique(name)))
        assert stated["status"] == "not_applicable"
        assert "Keras" in stated["reason"] or "pip install" in stated["reason"]
    file = Converted("model.tflite", b"", np.asarray, {})
    graph = onnx.load(made.fp32("mlp") / "model.onnx")
    parent = Parent(graph, made.model("mlp"), None, ("litert",), None, file)
    assert "nothing follows litert" in str(applying.unfit(technique("fp16"), parent))
    with pytest.raises(ParamsError, match="litert: the converter gives its file layers of its own"):
        made.explained("mlp", "litert", technique("litert"))
