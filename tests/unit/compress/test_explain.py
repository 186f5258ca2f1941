"""What each technique of a recipe moved, and which layers that comes from: planted ones first."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.compress import layers, networks
from tasks.core.errors import ParamsError
from tasks.core.fitting import FitContext, training_data
from tests.compressed import Study, certificate, technique

FIRST, SECOND, LAST = "2", "5", "8"  # the layers of `mlp`
GEMMS = ("model/gemm_8", "model/gemm_10", "model/gemm_12")  # their nodes
Plant = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def fitted(digits: Study) -> Any:
    """Give an MLP that was fitted long enough to have something to lose."""
    module = digits.model("mlp").module
    params = module.Params(width=32, epochs=10, learning_rate=0.01)
    return module.fit(training_data(digits.data), params, FitContext())


@pytest.fixture
def planted(digits: Study, fitted: Any, tmp_path: Path) -> Callable[[Plant], Study]:
    """Give what makes a study of that MLP with something planted in its layers."""

    def made(plant: Plant) -> Study:
        import torch

        module = copy.deepcopy(fitted.module)
        with torch.no_grad():
            plant(dict(networks.layers(module)))
        folder = tmp_path / "fitted" / "mlp"
        folder.mkdir(parents=True)
        digits.model("mlp").module.save(networks.with_module(fitted, module), folder)
        return Study(digits.data, tmp_path)

    return made


def scaled(factor: float) -> Plant:
    """Return a plant that makes the second layer's weights smaller and the last one's larger."""

    def plant(of: dict[str, Any]) -> None:
        of[SECOND].weight.mul_(factor)
        of[SECOND].bias.mul_(factor)
        of[LAST].weight.div_(factor)

    return plant


def drowned(of: dict[str, Any]) -> None:
    """Plant weights of a unit that is always 0: all of the second layer's squared singular values,
    and no part of its output.
    """
    of[FIRST].weight[0] = 0
    of[FIRST].bias[0] = -1
    of[SECOND].weight[:, 0] = 1000


def lost(study: Study, folder: Path) -> float:
    before, after = (certificate(f)["metrics"]["accuracy"] for f in (study.fp32("mlp"), folder))
    return before - after


def test_weights_too_small_for_half_precision_are_named_and_repaired(planted):
    study, half = planted(scaled(1e-9)), technique("fp16")
    [told] = study.explained("mlp", "half", half)
    assert [b.name for b in told.layers] == [GEMMS[1], GEMMS[0]]  # the last is too large: float32
    assert told.layers[0].error > 0.3 > 100 * told.layers[1].error
    assert told.moved == pytest.approx(told.layers[0].error, rel=0.01)
    assert lost(study, study.compressed("mlp", "half", half)) > 0.3
    repaired = study.compressed("mlp", "repaired", half, technique("repair", max_drop=0.05))
    assert certificate(repaired)["facts"]["repair"]["kept_in_float"] == [GEMMS[1]]
    assert certificate(repaired)["precision"] == "fp16"
    assert lost(study, repaired) < 0.01
    steps = study.explained("mlp", "repaired", half, technique("repair", max_drop=0.05))
    assert [s.technique for s in steps] == ["fp16", "repair"]
    assert steps[1].moved < 0.01 * steps[0].moved


def test_bfloat16_is_told_and_repaired_layer_by_layer(planted):
    study, small = planted(scaled(1e-9)), technique("bf16")
    [told] = study.explained("mlp", "small", small)
    assert {b.name for b in told.layers} == set(GEMMS)
    assert told.layers[0].error < 0.05  # it has float32's range
    repair = technique("repair", max_drop=0.2)
    assert certificate(study.compressed("mlp", "fine", small, repair))["status"] == "ok"


@pytest.mark.parametrize("epochs", [0, 1])
def test_what_low_rank_drowns_is_named_and_can_be_kept(epochs, planted):
    study, thin = planted(drowned), technique("low_rank", epochs=epochs)
    [told] = study.explained("mlp", "thin", thin)
    assert told.layers[0].name == SECOND
    assert told.layers[0].operator == "Linear"
    assert told.layers[0].weights == 32 * 32
    assert all(told.layers[0].error > 3 * b.error for b in told.layers[1:])
    assert (told.unfitted is None) == (epochs == 0)
    assert (told.layers[0].inside is None) == (epochs == 0)
    assert epochs == 0 or told.layers[0].inside > 0.3
    kept = technique("low_rank", epochs=epochs, keep=[SECOND], energy=0.9)
    folder = study.compressed("mlp", "kept", kept)
    assert SECOND not in certificate(folder)["facts"]["low_rank"]["ranks"]
    assert lost(study, folder) < 0.2 < lost(study, study.compressed("mlp", "thin", thin))


def test_a_layer_that_pruning_empties_is_named_and_can_be_kept(planted):
    study = planted(scaled(1e-3))
    zeros = technique("prune_unstructured", share=0.3, epochs=1)
    told, after = study.explained("mlp", "zeros", zeros, technique("ptq_int8"))
    assert told.layers[0].name == SECOND
    assert told.layers[0].error > 10 * told.layers[1].error
    assert told.layers[0].inside > 0.5
    assert told.unfitted > 0.5
    assert {b.name for b in after.layers} == set(GEMMS)
    kept = technique("prune_unstructured", share=0.3, epochs=0, keep=[int(SECOND)])
    [told] = study.explained("mlp", "kept", kept)
    assert SECOND not in {b.name for b in told.layers}
    assert lost(study, study.compressed("mlp", "kept", kept)) < 0.05


def test_two_of_four_are_told_as_they_are_before_they_are_fitted_further(planted):
    [told] = planted(scaled(1.0)).explained("mlp", "24", technique("sparse_2_4", epochs=1))
    assert {b.name for b in told.layers} == {FIRST, SECOND, LAST}
    assert all(0 < b.error < 1 and 0 < b.inside < 1 for b in told.layers)
    assert "nothing fitted" in told.way


def test_channels_are_told_with_those_that_are_coupled(digits):
    cut = technique("prune_structured", epochs=1)
    [told] = digits.explained("convnet", "told_cut", cut)
    names = {b.name for b in told.layers}
    assert names == {"2 + 5.body.3", "5.body.0", "6.body.0", "6.body.3 + 6.shortcut.0"}
    assert told.unfitted > told.moved > 0
    kept = technique("prune_structured", epochs=0, keep=["5.body.3"])
    channels = certificate(digits.compressed("convnet", "told_kept", kept))["facts"][
        "prune_structured"
    ]
    for name, (before, after) in channels["channels"].items():
        assert (after == before) == (name in ("2", "5.body.3", "10"))


def test_a_fit_further_is_told_in_the_networks_order(digits):
    steps = digits.explained("mlp", "told_qat", technique("qat", epochs=1), technique("ptq_int8"))
    assert [b.name for b in steps[0].layers] == [FIRST, SECOND, LAST]
    assert all(b.error is None and b.inside > 0 for b in steps[0].layers)
    assert "none can be changed alone" in steps[0].way
    assert [b.error for b in steps[1].layers] == sorted(b.error for b in steps[1].layers)[::-1]


def test_trees_are_told_by_what_less_of_it_would_move(digits):
    recipe = [technique(n) for n in ("truncate", "prune_trees", "quantise_thresholds")]
    steps = digits.explained("light_gbm", "told_small_trees", *recipe)
    for step, own in zip(steps, ({"share": 0.5}, {"share": 0.4}, {"bits": 9}), strict=True):
        assert step.milder[0][0] == own
        errors = [error for _, error in step.milder]
        assert errors == sorted(errors, reverse=True)
        assert len(errors) == 4
        assert not step.layers
    assert steps[0].moved == pytest.approx(steps[0].milder[0][1], rel=1e-6)


def test_what_has_no_layers_says_what_to_look_at(digits):
    with pytest.raises(ParamsError, match=r"its student is another model.*facts.distill") as error:
        digits.explained("mlp", "told_taught", technique("distill"))
    assert error.value.exit_code == 2
    steps = digits.explained("mlp", "told_simple", technique("simplify"), technique("fp16"))
    assert steps[0].why == "nothing to fold or to fuse"
    assert steps[1].layers


def test_layers_to_keep_that_are_not_there_are_named(digits):
    stated = certificate(
        digits.compressed("mlp", "told_none", technique("sparse_2_4", keep=["fc1"]))
    )
    assert stated["status"] == "not_applicable"
    assert stated["reason"] == "keep: no layer fc1; its layers are 2, 5, 8"


def test_repair_says_what_keeps_layers_instead(digits):
    recipe = (technique("low_rank", energy=0.5, epochs=0), technique("repair"))
    stated = certificate(digits.compressed("mlp", "told_thin_repaired", *recipe))
    assert stated["status"] == "not_applicable"
    assert "low_rank leaves layers as they are by its param `keep`" in stated["reason"]


def test_values_beyond_half_precision_are_an_infinite_error():
    assert layers.apart(np.array([np.inf, 1.0]), np.array([0.0, 1.0])) == np.inf
