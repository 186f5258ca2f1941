"""Variants of real small models: what is in their folders, and what happens when they fail."""

import numpy as np
import onnx
import pytest

from tasks.compress import applying, graphs, variants
from tasks.core.errors import ParityError, TransientError
from tests.compressed import TOLERANCE, certificate, technique


@pytest.mark.parametrize("name", ["baseline", "linear", "light_gbm"])
@pytest.mark.parametrize("study", ["numbers", "classes"])
def test_fp32_of_raw_columns_equals_the_model(study, name, request):
    study = request.getfixturevalue(study)
    folder = study.fp32(name)
    stated = certificate(folder)
    assert stated["status"] == "ok"
    assert stated["parity"]["max_rel"] <= TOLERANCE
    data = study.data
    assert stated["parity"]["rows"] == len(data.y(data.meta.judged))
    assert set(stated["metrics"]) == {m.name for m in study.metrics}
    assert stated["bytes"] == (folder / "model.onnx").stat().st_size
    assert stated["zstd_bytes"] > 0
    session = graphs.session((folder / "model.onnx").read_bytes())
    feed = data.feed(data.meta.judged, slice(0, 7))
    assert graphs.run(session, feed).shape == (7, len(data.meta.classes or [0]))
    names = [o.name for o in session.get_outputs()]
    assert names == (["probabilities", "label"] if data.meta.classes else ["prediction"])


def test_a_model_whose_graph_differs_is_refused(numbers, monkeypatch):
    model = numbers.model("linear")
    fitted = numbers.fitted("linear")
    right = model.module.to_onnx

    def wrong(fitted):
        made = right(fitted)
        offset = next(i for i in made.graph.initializer if i.name == "c2")
        values = onnx.numpy_helper.to_array(offset) * np.float32(1.01)
        offset.CopyFrom(onnx.numpy_helper.from_array(values, "c2"))
        return made

    monkeypatch.setattr(model.module, "to_onnx", wrong)
    with pytest.raises(ParityError, match="ONNX graph of linear"):
        variants.write_fp32(
            *(numbers.empty("wrong/fp32"), fitted, model, numbers.data.folder),
            *(numbers.metrics, TOLERANCE),
        )


def test_what_does_not_fit_says_why(numbers):
    stated = certificate(numbers.compressed("linear", "cut", technique("truncate", share=0.5)))
    assert (stated["status"], stated["reason"]) == ("not_applicable", "not an ensemble of trees")
    assert not (numbers.made["linear/cut"] / "model.onnx").exists()
    stated = certificate(numbers.compressed("light_gbm", "q", technique("ptq_int8")))
    assert stated["reason"] == "no Conv, Gemm or MatMul to quantise"
    mixed = [technique("truncate", share=0.5), technique("fp16")]
    stated = certificate(numbers.compressed("light_gbm", "mixed", *mixed))
    assert stated["reason"] == "fp16: ONNX has no half-precision tree ensembles"
    stated = certificate(
        numbers.compressed("mlp", "late", technique("fp16"), technique("ptq_int8"))
    )
    assert stated["reason"].startswith("ptq_int8: it starts from float32 weights")


def test_a_technique_that_fails_is_a_row_and_can_be_tried_again(numbers, monkeypatch):
    plugin = technique("fp16")

    def broken(parent, params, context):
        raise KeyError("no such thing")

    monkeypatch.setattr(plugin.module, "apply", broken)
    stated = certificate(numbers.compressed("mlp", "broken", plugin))
    assert stated["status"] == "failed"
    assert stated["reason"] == "KeyError: 'no such thing'"
    assert stated["bytes"] is None

    def starved(parent, params, context):
        raise MemoryError

    monkeypatch.setattr(plugin.module, "apply", starved)
    with pytest.raises((MemoryError, TransientError)):
        numbers.compressed("mlp", "starved", plugin)


def test_int8_of_a_convnet_is_small_and_runs_on_integers(digits):
    before = certificate(digits.fp32("convnet"))
    folder = digits.compressed("convnet", "int8_cpu", technique("ptq_int8"), rows=128)
    stated = certificate(folder)
    assert stated["status"] == "ok", stated["reason"]
    assert stated["quantised_share"] == 1.0
    assert stated["dialect"] == "int8_cpu"
    assert stated["precision"] == "int8"
    weights = stated["quantised_weights"]
    assert weights["fp32_bytes"] / weights["bytes"] > 3.7  # 16 channels; 3.94 at 32
    assert stated["bytes"] <= before["bytes"] / 4 + 15_000
    assert stated["agreement"] > 0.9
    assert abs(stated["metrics"]["accuracy"] - before["metrics"]["accuracy"]) < 0.05


@pytest.mark.parametrize(("dialect", "largest"), [("int8_cpu", 64), ("int8_trt", 127)])
def test_int8_weights_of_a_cpu_leave_room_for_the_sum_of_two_products(dialect, largest, digits):
    plugin = technique("ptq_int8", dialect=dialect)
    graph = onnx.load(digits.compressed("convnet", dialect, plugin) / "model.onnx").graph
    tensors = [onnx.numpy_helper.to_array(t) for t in graph.initializer]
    weights = [t for t in tensors if t.dtype == np.int8 and t.ndim > 1]
    assert max(np.abs(w.astype(int)).max() for w in weights) == largest
    room = np.iinfo(np.int16).max >= 2 * 255 * largest  # unsigned activations, added in 16 bits
    assert room == (dialect == "int8_cpu")


def test_int8_for_tensorrt_is_symmetric(digits):
    plugin = technique("ptq_int8", dialect="int8_trt")
    folder = digits.compressed("convnet", "int8_trt", plugin)
    stated = certificate(folder)
    assert stated["status"] == "ok", stated["reason"]
    assert "TensorRT" in stated["engines_note"]
    assert stated["quantised_share"] == 0.0  # in ONNX Runtime, as it is opened there
    graph = onnx.load(folder / "model.onnx").graph
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    pairs = [n for n in graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert len(pairs) > 10
    for node in pairs:
        zero = tensors[node.input[2]] if len(node.input) > 2 else np.int8(0)
        assert zero.dtype == np.int8
        assert not np.any(zero)
    assert not any(t.dtype == np.int32 for t in tensors.values())  # biases stay float


def test_half_precision_halves_and_keeps_the_ends(digits):
    before = certificate(digits.fp32("linear"))
    folder = digits.compressed("linear", "fp16", technique("fp16"))
    stated = certificate(folder)
    assert before["weight_bytes"] / stated["weight_bytes"] > 1.95
    assert stated["parity"]["max_abs"] < 0.01
    graph = onnx.load(folder / "model.onnx").graph
    assert [i.type.tensor_type.elem_type for i in graph.input] == [onnx.TensorProto.UINT8]
    assert graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT


def test_half_precision_leaves_raw_columns_alone(numbers):
    before = certificate(numbers.fp32("mlp"))
    folder = numbers.compressed("mlp", "fp16", technique("fp16"))
    stated = certificate(folder)
    assert stated["status"] == "ok", stated["reason"]
    assert stated["weight_bytes"] < 0.6 * before["weight_bytes"]
    assert stated["agreement"] > 0.999
    graph = onnx.load(folder / "model.onnx").graph
    halves = {t.name for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT16}
    assert halves
    prepare = [n for n in graph.node if n.name.startswith("prepare/")]
    assert not any(halves.intersection(n.input) for n in prepare)
    columns = {i.name for i in graph.input}
    assert not any(columns.intersection(n.input) for n in graph.node if n.name.endswith("/cast"))


def test_half_precision_leaves_large_values_alone(numbers, tmp_path):
    """A linear model of a target around a million: its sum does not fit half precision."""
    study, data = numbers, numbers.data
    model = study.model("linear")
    fitted = model.module.load(study.fitted("linear"))
    large = type(fitted)(
        fitted.task, fitted.mean, fitted.weights * 1e6, fitted.intercept * 1e6, fitted.spread,
        fitted.estimator,
    )  # fmt: skip
    folder = tmp_path / "fitted"
    folder.mkdir()
    model.module.save(large, folder)
    names = ("fp32", "fp16")
    for name in names:
        (tmp_path / name).mkdir()
    args = (model, data.folder, study.metrics, TOLERANCE)
    variants.write_fp32(tmp_path / "fp32", folder, *args)
    variants.write_compressed(
        *(tmp_path / "fp16", tmp_path / "fp32", folder, model, "fp16", [technique("fp16")]),
        *(data.folder, study.metrics, TOLERANCE, 64, 0),
    )
    stated = certificate(tmp_path / "fp16")
    assert stated["status"] == "not_applicable"
    assert "half precision ends at 65504" in stated["reason"]


def test_truncated_trees_are_smaller_and_exact(numbers):
    before = certificate(numbers.fp32("light_gbm"))
    folder = numbers.compressed("light_gbm", "half", technique("truncate", share=0.5))
    stated = certificate(folder)
    assert stated["status"] == "ok", stated["reason"]
    assert 1.6 < before["weight_bytes"] / stated["weight_bytes"] < 2.4
    assert stated["engines_note"] == "tree ensembles (ai.onnx.ml): ONNX Runtime only"


def test_calibration_takes_the_rows_kept_from_the_fit_first(numbers):
    data = numbers.data
    kept = data.stop.sum()
    few = applying.calibration(data, int(kept), seed=1)
    want = data.feed("train", np.flatnonzero(data.stop))
    for name, values in want.items():
        np.testing.assert_array_equal(few[name], values)
    assert len(applying.calibration(data, 10**6, seed=1)["a"]) == data.meta.parts["train"]


def test_ranges_of_a_histogram_are_found_quietly_and_take_no_missing_values(digits, numbers, capfd):
    plugin = technique("ptq_int8", ranges="percentile")
    stated = certificate(digits.compressed("mlp", "percentile", plugin))
    assert stated["status"] == "ok", stated["reason"]
    assert capfd.readouterr().out == ""
    stated = certificate(numbers.compressed("mlp", "percentile", plugin))
    assert stated["reason"] == "percentile takes no rows with missing values; minmax does"


@pytest.mark.parametrize("ranges", ["percentile", "entropy"])
def test_ranges_of_a_histogram_take_any_number_of_rows(ranges, digits):
    plugin = technique("ptq_int8", ranges=ranges)
    stated = certificate(digits.compressed("mlp", f"{ranges}_100", plugin, rows=100))
    assert stated["status"] == "ok", stated["reason"]
    assert stated["calibration"]["rows"] == 100


def test_a_variant_that_is_larger_says_so(numbers):
    before, stated = (
        certificate(f)
        for f in (numbers.fp32("linear"), numbers.compressed("linear", "q", technique("ptq_int8")))
    )
    assert stated["bytes"] > before["bytes"]
    sizes = f"{stated['bytes']:,} bytes, not {before['bytes']:,}"
    assert stated["engines_note"] == f"larger than the fp32 graph: {sizes}"


@pytest.mark.parametrize(
    "plugin",
    [technique("ptq_int8", mode="dynamic"), technique("bf16"), technique("ptq_int8")],
    ids=["dynamic", "bf16", "static"],
)
def test_weights_that_are_not_0_are_counted_however_they_are_stored(plugin, digits):
    label = "counted_" + plugin.name + str(plugin.params.get("mode", ""))
    zeros = technique("prune_unstructured", share=0.7, steps=1, epochs=0)
    stated = certificate(digits.compressed("mlp", label, zeros, plugin))
    assert stated["status"] == "ok", stated["reason"]
    assert stated["nonzero_share"] == pytest.approx(0.3, abs=0.02)
