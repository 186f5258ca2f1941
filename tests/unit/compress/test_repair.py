"""A network with a planted layer that INT8 ruins: it is named, and kept as it was."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from tasks.compress import applying, graphs, layers, sketches, variants
from tasks.compress.protocol import Context, Parent
from tasks.core.fitting import FitContext, training_data
from tasks.core.plugins import Plugin
from tests.compressed import TOLERANCE, Study, certificate, technique

OUTLIER = 3000.0


@pytest.fixture(scope="module")
def hostile(digits: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with an MLP (fitted) and its graph (fp32): one hidden unit is 3,000 times as
    large as it was, and the next layer's weight of it so many times smaller.

    In float32 that changes nothing. In 8 bits the next layer's input has steps of its own size.
    """
    import torch
    from torch import nn

    folder = tmp_path_factory.mktemp("hostile")
    model = digits.model("mlp")
    params = model.module.Params(width=32, bins=0, epochs=25, batch_size=32, learning_rate=0.01)
    fitted = model.module.fit(training_data(digits.data), params, FitContext())
    first, second, _ = (m for m in fitted.module if isinstance(m, nn.Linear))
    with torch.no_grad():
        unit = int(second.weight.abs().mean(0).argmax())
        first.weight[unit] *= OUTLIER
        first.bias[unit] *= OUTLIER
        second.weight[:, unit] /= OUTLIER
    for name in ("fitted", "fp32"):
        (folder / name).mkdir()
    model.module.save(fitted, folder / "fitted")
    args = (model, digits.data.folder, digits.metrics, TOLERANCE)
    variants.write_fp32(folder / "fp32", folder / "fitted", *args)
    return folder


def compressed(hostile: Path, digits: Study, label: str, *recipe) -> dict:
    out = hostile / label
    out.mkdir()
    variants.write_compressed(
        *(out, hostile / "fp32", hostile / "fitted", digits.model("mlp"), label, list(recipe)),
        *(digits.data.folder, digits.metrics, TOLERANCE, 256, 0),
    )
    return certificate(out)


def context(study: Study) -> Context:
    data = study.data
    return Context(
        meta=data.meta,
        draw=lambda: applying.calibration(data, 256, 0),
        matrix=lambda: data.X("train"),
        rows=lambda: training_data(data),
        fit=FitContext(),
        judge=lambda model, fitted: {},
        hold=lambda parent: applying.held(data, parent),
        metric=study.metrics[0],
    )


def test_the_planted_layer_is_named_first(hostile, digits):
    graph = onnx.load(hostile / "fp32" / "model.onnx")
    planted = [n.name for n in graphs.weighted(graph.graph)][1]
    parent = Parent(graph, digits.model("mlp"), None)
    found = layers.blamed(parent, technique("ptq_int8"), context(digits))
    assert found[0].name == planted
    assert found[0].error > 5 * found[1].error
    assert {b.operator for b in found} == {"Gemm"}
    assert len(found) == 3


def test_it_is_kept_as_it_was_and_the_drop_is_small_again(hostile, digits):
    before = certificate(hostile / "fp32")["metrics"]["accuracy"]
    ruined = compressed(hostile, digits, "ruined", technique("ptq_int8"))
    assert before - ruined["metrics"]["accuracy"] > 0.05
    repair = technique("repair", max_drop=0.05)
    stated = compressed(hostile, digits, "repaired", technique("ptq_int8"), repair)
    assert stated["status"] == "ok", stated["reason"]
    assert before - stated["metrics"]["accuracy"] < 0.02
    facts = stated["facts"]["repair"]
    graph = onnx.load(hostile / "fp32" / "model.onnx").graph
    assert facts["kept_in_float"] == [graphs.weighted(graph)[1].name]
    assert facts["bound"] <= facts["allowed"]
    assert facts["bytes"] > facts["bytes_before"]  # what it cost
    assert 0.3 < stated["quantised_share"] < 1
    assert (stated["precision"], stated["dialect"]) == ("int8", "int8_cpu")


def test_what_holds_already_is_left_alone(digits):
    plain = digits.compressed("mlp", "int8_plain", technique("ptq_int8"))
    recipe = (technique("ptq_int8"), technique("repair", max_drop=0.2))
    folder = digits.compressed("mlp", "int8_repair", *recipe)
    assert certificate(folder)["facts"]["repair"]["kept_in_float"] == []
    assert (folder / "model.onnx").read_bytes() == (plain / "model.onnx").read_bytes()


def test_a_bound_that_no_layer_can_meet_says_so(numbers):
    recipe = (technique("ptq_int8"), technique("repair", max_drop=1e-9))
    stated = certificate(numbers.compressed("mlp", "int8_never", *recipe))
    assert stated["status"] == "not_applicable"
    assert "no layer can be changed with a drop of surely less" in stated["reason"]


def test_rows_too_few_for_the_bound_say_so(digits):
    recipe = (technique("ptq_int8"), technique("repair", max_drop=1e-6))
    stated = certificate(digits.compressed("mlp", "int8_few", *recipe))
    assert stated["status"] == "not_applicable"
    rows = int((digits.data.stop == 1).sum())
    why = f"too few rows: on the {rows} kept back even no loss at all has a bound of "
    assert why in stated["reason"]


def test_a_model_fitted_elsewhere_is_held_against_all_training_rows(digits):
    graph = onnx.load(digits.fp32("mlp") / "model.onnx")

    def count(name: str, *earlier: str) -> int:
        parent = Parent(graph, Plugin(kind="model", name=name), None, earlier)
        return len(applying.held(digits.data, parent)[1])

    whole, kept = digits.data.meta.parts["train"], (digits.data.stop == 1).sum()
    assert count("given") == count("given_keras", "simplify") == whole
    assert count("mlp") == count("given_keras", "prune_unstructured") == kept


def test_graphs_are_opened_as_their_certificate_opens_them(digits, tmp_path, monkeypatch):
    """Signed INT8 through ONNX Runtime's integer kernels overflows on a CPU without VNNI."""
    seen = []
    opened = graphs.session

    def session(model, options=None, dialect=None):
        read = model if isinstance(model, onnx.ModelProto) else onnx.load_from_string(model)
        if any(n.op_type == "QuantizeLinear" for n in read.graph.node):
            seen.append(dialect)
        return opened(model, options, dialect)

    monkeypatch.setattr(graphs, "session", session)
    int8 = technique("ptq_int8", dialect="int8_trt")
    parent = Parent(onnx.load(digits.fp32("mlp") / "model.onnx"), digits.model("mlp"), None)
    layers.blamed(parent, int8, context(digits))
    assert seen == ["int8_trt"] * 3
    digits.compressed("mlp", "trt_repaired", int8, technique("repair", max_drop=0.2))
    assert set(seen[3:]) == {"int8_trt"}
    assert len(seen) > 4  # by `repair`, and for the certificate
    before = len(seen)
    sketches.write(
        *(tmp_path, digits.fp32("mlp"), digits.fitted("mlp"), digits.model("mlp")),
        *({"int8": [int8]}, digits.data.folder, digits.metrics, TOLERANCE, 64, 0),
    )
    assert set(seen[before:]) == {"int8_trt"}


def test_it_needs_something_to_repair(digits):
    stated = certificate(digits.compressed("mlp", "nothing", technique("repair")))
    assert "it follows a technique that works layer by layer" in stated["reason"]
    recipe = (technique("simplify"), technique("repair"))
    stated = certificate(digits.compressed("mlp", "simple", *recipe))
    assert stated["status"] == "not_applicable"


def test_layers_of_4_bits_are_found_out_too(digits):
    parent = Parent(onnx.load(digits.fp32("mlp") / "model.onnx"), digits.model("mlp"), None)
    found = layers.blamed(parent, technique("ptq_int4", least=64), context(digits))
    assert [b.error for b in found] == sorted((b.error for b in found), reverse=True)
    assert np.isfinite([b.error for b in found]).all()
    assert layers.by_layer(technique("ptq_int8"))
    assert layers.by_layer(technique("fp16"))
    assert not layers.by_layer(technique("low_rank"))
    assert not layers.by_layer(technique("truncate"))
