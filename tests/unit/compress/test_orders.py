"""What one technique of a recipe leaves is there still when those behind it are done."""

import json

import onnx
import pytest

from tasks.compress import sketches
from tasks.compress.protocol import LOWER, Parent
from tests.compressed import TECHNIQUES, TOLERANCE, certificate, technique

NOTES = {"prune_unstructured": "zeros: only the packed file", "sparse_2_4": "2:4 zeros"}


def of(*names: str):
    return [technique(name, **TECHNIQUES.get(name, {})) for name in names]


@pytest.mark.parametrize("zeros", NOTES)
def test_a_later_fit_keeps_the_zeros(zeros, digits):
    alone = certificate(digits.compressed("mlp", zeros, *of(zeros)))
    stated = certificate(digits.compressed("mlp", f"{zeros}_qat", *of(zeros, "qat")))
    assert stated["nonzero_share"] == pytest.approx(alone["nonzero_share"], abs=1e-3)
    assert stated["nonzero_share"] < 0.55
    assert stated["engines_note"].startswith(NOTES[zeros])
    assert stated["metrics"] != alone["metrics"], "it was fitted further"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        *((zeros, "low_rank") for zeros in NOTES),
        *((zeros, "distill") for zeros in NOTES),
        *((zeros, "prune_structured") for zeros in NOTES),
        ("bf16", "simplify"),
    ],
)
def test_what_would_undo_an_earlier_one_says_so(first, second, digits, tmp_path):
    recipe = of(first, second)
    stated = certificate(digits.compressed("mlp", f"{first}_{second}", *recipe))
    why = f"{second}: it would undo {first}: put it before that"
    assert (stated["status"], stated["reason"]) == ("not_applicable", why)
    sketches.write(
        *(tmp_path, digits.fp32("mlp"), digits.fitted("mlp"), digits.model("mlp")),
        *({"both": recipe}, digits.data.folder, digits.metrics, TOLERANCE, 64, 0),
    )
    assert json.loads((tmp_path / sketches.FILE).read_text()) == {"both": {"reason": why}}


@pytest.mark.parametrize("second", LOWER)
@pytest.mark.parametrize("first", LOWER)
def test_weights_are_stored_in_fewer_bits_once(first, second, digits):
    stated = certificate(digits.compressed("mlp", f"{first}_{second}", *of(first, second)))
    assert stated["status"] == "not_applicable"
    assert "float32 weights" in stated["reason"]


def test_a_recipe_goes_on_where_there_is_nothing_to_simplify(digits, tmp_path):
    recipes = {"half": of("fp16"), "both": of("simplify", "fp16"), "simple": of("simplify")}
    half, both, simple = (
        digits.compressed("mlp", f"order_{label}", *recipe) for label, recipe in recipes.items()
    )
    assert (both / "model.onnx").read_bytes() == (half / "model.onnx").read_bytes()
    why = "nothing to fold or to fuse"
    assert certificate(both)["facts"] == {"simplify": {"left_out": why}}
    assert certificate(simple)["reason"] == why
    sketches.write(
        *(tmp_path, digits.fp32("mlp"), digits.fitted("mlp"), digits.model("mlp")),
        *(recipes, digits.data.folder, digits.metrics, TOLERANCE, 64, 0),
    )
    found = json.loads((tmp_path / sketches.FILE).read_text())
    assert found["simple"] == {"reason": why}
    assert found["both"]["size"] == found["half"]["size"] < 0.7


def test_float16_weights_of_a_given_graph_are_not_lowered_again(digits):
    graph = onnx.load(digits.compressed("mlp", "order_half", *of("fp16")) / "model.onnx")
    parent = Parent(graph, digits.model("mlp"), None)
    found = {
        name: step.module.applies(parent) for name, step in zip(LOWER, of(*LOWER), strict=True)
    }
    why = "it starts from float32 weights, and they are float16"
    assert found == dict.fromkeys(LOWER, why) | {"bf16": "no float32 weights to store smaller"}
