"""What recipes begin with is kept once: what goes on from it is what it would be from nothing."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from tasks.compress import applying, beginnings, graphs, variants
from tasks.compress.task import shrink
from tasks.core import child, store
from tasks.core.artifacts import Artifact
from tasks.core.fitting import FitContext
from tasks.core.plugins import Plugin
from tasks.nets import fitting
from tests.compressed import TECHNIQUES, TOLERANCE, Study, certificate, technique


def begun(
    study: Study, model: str, out: Path, *recipe: Plugin, fit: FitContext | None = None
) -> Path:
    """Return the folder that the last of these techniques leaves."""
    before: Path | None = None
    for at, step in enumerate(recipe):
        folder = out / str(at)
        folder.mkdir(parents=True)
        beginnings.write(
            *(folder, study.fp32(model), study.fitted(model), before, study.model(model), step),
            *(study.data.folder, study.metrics, TOLERANCE, fit or FitContext()),
        )
        before = folder
        if beginnings.stated(folder)["status"] != "ok":
            break
    assert before is not None
    return before


def on_from(study: Study, model: str, out: Path, recipe: list[Plugin], before: Path) -> Path:
    """Return the folder of a variant made of a beginning."""
    out.mkdir()
    variants.write_compressed(
        *(out, study.fp32(model), study.fitted(model), study.model(model), "again", recipe),
        *(study.data.folder, study.metrics, TOLERANCE, 64, 0, before),
    )
    return out


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("convnet", ["prune_structured"]),
        ("convnet", ["distill"]),
        ("mlp", ["low_rank", "prune_structured"]),
    ],
)
def test_a_recipe_goes_on_to_the_same_bytes(digits, tmp_path, model, names):
    first = [technique(name, **TECHNIQUES.get(name, {})) for name in names]
    recipe = [*first, technique("ptq_int8")]
    whole = digits.compressed(model, f"whole_{'_'.join(names)}", *recipe)
    before = begun(digits, model, tmp_path / "begun", *first)
    made = on_from(digits, model, tmp_path / "made", recipe, before)
    assert certificate(whole)["status"] == "ok", certificate(whole)["reason"]
    assert (made / "model.onnx").read_bytes() == (whole / "model.onnx").read_bytes()
    assert certificate(made) | {"label": ""} == certificate(whole) | {"label": ""}


@pytest.mark.parametrize(
    "names", [["prune_structured", "low_rank"], ["low_rank", "prune_structured"]]
)
def test_what_goes_on_from_two_shapes_in_one_is_loaded_again(digits, tmp_path, names):
    first = [technique(name, **TECHNIQUES.get(name, {})) for name in names]
    recipe = [*first, technique("prune_unstructured", epochs=1, steps=1)]
    before = begun(digits, "mlp", tmp_path / "begun", *recipe)
    made = certificate(on_from(digits, "mlp", tmp_path / "made", recipe, before))
    assert made["status"] == "ok", made["reason"]


@pytest.mark.parametrize("model", ["light_gbm", "random_forest", "xg_boost"])
def test_fewer_trees_are_kept_as_well(numbers, tmp_path, model):
    recipe = [technique("distill")]
    whole = numbers.compressed(model, "whole", *recipe)
    before = begun(numbers, model, tmp_path / "begun", *recipe)
    made = on_from(numbers, model, tmp_path / "made", recipe, before)
    assert (made / "model.onnx").read_bytes() == (whole / "model.onnx").read_bytes()


def test_a_network_that_learnt_from_trees_is_kept_and_fitted_further(numbers, tmp_path):
    network = technique("distill", into="mlp", student={"width": 8, "epochs": 2})
    first = [network, technique("qat", epochs=1)]
    recipe = [*first, technique("ptq_int8")]
    whole = numbers.compressed("light_gbm", "into", *recipe)
    assert certificate(whole)["status"] == "ok", certificate(whole)["reason"]
    model = numbers.model("light_gbm")
    assert [len(steps) for steps in beginnings.of(recipe, model)] == [1, 2]
    one, before = tmp_path / "0", tmp_path / "1"
    for folder, made, plugin, step in (
        (one, None, model, network),
        (before, one, applying.after([network], model), first[1]),
    ):
        folder.mkdir()
        beginnings.write(
            *(folder, numbers.fp32("light_gbm"), numbers.fitted("light_gbm"), made, plugin, step),
            *(numbers.data.folder, numbers.metrics, TOLERANCE, FitContext()),
        )
        assert beginnings.stated(folder)["status"] == "ok", beginnings.stated(folder)
    made = on_from(numbers, "light_gbm", tmp_path / "made", recipe, before)
    assert (made / "model.onnx").read_bytes() == (whole / "model.onnx").read_bytes()
    assert certificate(made) | {"label": ""} == certificate(whole) | {"label": ""}


def test_a_network_whose_channels_stay_apart_is_loaded_again(digits, tmp_path):
    name = "mobilenet_v2"
    model = Plugin(kind="model", name=name, params={"width": 16, "epochs": 1, "batch_size": 512})
    study = Study(digits.data, tmp_path / "study")
    study.model = lambda _: model
    folder = begun(study, name, tmp_path / "begun", technique("prune_structured", epochs=0))
    fitted = model.module.load(folder / beginnings.FITTED)
    assert fitted.facts["weights"] < model.module.load(study.fitted(name)).facts["weights"] / 2
    feed = {name: values[:16] for name, values in digits.data.feed("train").items()}
    expected = graphs.run(graphs.session(onnx.load(folder / "model.onnx")), feed)
    found = model.module.predict(fitted, digits.data.X("train")[:16])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_what_does_not_fit_or_fails_says_so_once_and_for_all(digits, tmp_path, monkeypatch):
    narrow = technique("prune_structured", share=0.2, multiple=16, epochs=0)
    folder = begun(digits, "convnet", tmp_path / "narrow", narrow, technique("qat"))
    for recipe in ([narrow], [narrow, technique("qat"), technique("ptq_int8")]):
        made = on_from(digits, "convnet", tmp_path / str(len(recipe)), recipe, folder)
        stated = certificate(made)
        assert stated["status"] == "not_applicable"
        assert ("prune_structured: " in stated["reason"]) == (len(recipe) > 1)
        assert "multiples of 16 channels" in stated["reason"]

    def broken(*args):
        raise ValueError("the weights are odd")

    student = technique("distill")
    monkeypatch.setattr(student.module, "shrink", broken)
    folder = begun(digits, "convnet", tmp_path / "broken", student)
    stated = certificate(on_from(digits, "convnet", tmp_path / "failed", [student], folder))
    assert (stated["status"], stated["reason"]) == ("failed", "ValueError: the weights are odd")


def test_what_is_saved_otherwise_than_made_is_not_gone_on_from(digits, tmp_path, monkeypatch):
    module = digits.model("mlp").module
    usual, whole = module.load, digits.fitted("mlp")
    monkeypatch.setattr(module, "load", lambda folder: usual(whole))
    folder = begun(digits, "mlp", tmp_path / "begun", technique("prune_structured", epochs=1))
    stated = beginnings.stated(folder)
    assert stated["status"] == "failed"
    assert "the saved model of mlp" in stated["reason"]


def test_an_out_of_memory_is_tried_again_in_pieces_and_said(digits, monkeypatch):
    step = technique("prune_unstructured", epochs=1, steps=1)
    usual = step.module.shrink
    tried: list[int] = []

    def scarce(parent, params, context):
        tried.append(context.fit.pieces)
        if context.fit.pieces < 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return usual(parent, params, context)

    def here(function, *args, **options):
        try:
            return function(*args)
        except RuntimeError as error:
            raise child._portable(error) from error

    monkeypatch.setattr(step.module, "shrink", scarce)
    monkeypatch.setattr(child, "run", here)
    parent = stored("compress/convnet/fp32", digits.fp32("convnet"))
    fitted = stored("train/convnet", digits.fitted("convnet"))
    made = shrink.fn(
        *(parent, fitted, None, digits.model("convnet"), "zeros", step),
        *(stored("features/prepared", digits.data.folder), digits.metrics, TOLERANCE),
        *(1, 60.0, 0, "cpu"),
    )
    stated = beginnings.stated(made.path)
    assert tried == [1, 2, 4]
    assert (stated["status"], stated["facts"]["pieces"]) == ("ok", 4)


def stored(name: str, folder: Path) -> Artifact:
    """Return a copy of a folder as an artifact."""
    with store.writing() as out:
        shutil.copytree(folder, out, dirs_exist_ok=True)
        return store.put(name, out)


def test_a_killed_technique_goes_on_from_its_checkpoint(digits, tmp_path, monkeypatch):
    step = technique("prune_structured", steps=2, epochs=2)
    whole = begun(digits, "convnet", tmp_path / "whole", step)
    monkeypatch.setattr(fitting, "CHECKPOINT_EVERY_S", 0.0)
    fit = FitContext(checkpoint=tmp_path / "checkpoint")
    epochs: list[int] = []
    usual = fitting._epoch

    def dies(run, *args):
        epochs.append(run.epoch)
        if len(epochs) == 4:
            raise KeyboardInterrupt
        return usual(run, *args)

    monkeypatch.setattr(fitting, "_epoch", dies)
    with pytest.raises(KeyboardInterrupt):
        begun(digits, "convnet", tmp_path / "killed", step, fit=fit)
    made = begun(digits, "convnet", tmp_path / "again", step, fit=fit)
    assert epochs == [0, 1, 0, 1, 1], "the first fit had ended, the second one's first epoch too"
    assert (made / "model.onnx").read_bytes() == (whole / "model.onnx").read_bytes()
    assert json.loads((made / "begun.json").read_text())["status"] == "ok"


def test_the_beginnings_of_a_recipe_are_its_first_techniques_that_fit_further(digits):
    model = digits.model("convnet")
    prune, qat, int8 = (technique(n) for n in ("prune_structured", "qat", "ptq_int8"))
    one, two = beginnings.of([prune, qat, int8, qat], model)
    assert two[:1] == one
    assert beginnings.of([int8], model) == []
    assert beginnings.of([technique("prune_structured", epochs=0)], model) == []
    recipes = {"a": [prune], "b": [prune, qat, int8], "c": [int8], "d": [qat]}
    found = [(label, step.name) for label, step in beginnings.first(recipes, model)]
    assert found == [("a", "prune_structured"), ("b", "qat"), ("d", "qat")]
