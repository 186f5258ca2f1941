"""Every compression technique against the promises of its kind."""

from pathlib import Path

import onnx
import pytest

from tasks.compress import graphs, layers
from tasks.compress.protocol import Parent
from tasks.core import plugins
from tests.compressed import FOLLOWS, KERAS, Study, certificate, recipe_of, technique
from tests.prepared import prepared_table

pytestmark = pytest.mark.contracts
NAMES = plugins.names("technique")
MODELS = ("baseline", "linear", "mlp", "light_gbm")
SMALLER = {  # what gets smaller, where it is not the weights
    "prune_unstructured": "zstd_bytes",
    "quantise_thresholds": "zstd_bytes",
    "sparse_2_4": "zstd_bytes",
    "qat": None,  # ptq_int8 follows
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("techniques")
    return Study(prepared_table(folder / "prepared", "regression"), folder)


def compressed(study: Study, model: str, name: str, label: str = "once") -> Path:
    """Return the folder of what a technique makes of a model."""
    return study.compressed(model, f"{name}_{label}", *recipe_of(name))


def test_there_are_techniques():
    assert len(NAMES) >= 12


@pytest.mark.parametrize("name", NAMES)
def test_its_module_keeps_the_protocol(name):
    module = plugins.plugin("technique", name)
    assert isinstance(module.Params(), plugins.PluginParams)
    assert isinstance(module.PRECISION, str)
    assert module.__doc__
    assert "Not for" in module.__doc__.replace("\n", " ")


@pytest.mark.parametrize("name", NAMES)
def test_its_loss_is_told_by_layer_or_it_says_why_not(name):
    step = technique(name)
    ways = [layers.by_layer(step)]
    ways += [hasattr(step.module, way) for way in ("alone", "milder", "NO_LAYERS")]
    assert sum(ways) == 1 or name == "qat"  # which fits all layers together
    assert hasattr(step.module, "alone") == ("keep" in step.module.Params.model_fields)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", NAMES)
def test_it_compresses_or_says_why_not(name, model, study):
    before = study.fp32(model)
    content = (before / "model.onnx").read_bytes()
    folder = compressed(study, model, name)
    stated = certificate(folder)
    plugin = study.model(model)
    fitted = plugin.module.load(study.fitted(model))
    parent = Parent(onnx.load(before / "model.onnx"), plugin, lambda: fitted)
    reason = None if name in FOLLOWS else plugins.plugin("technique", name).applies(parent)
    assert (before / "model.onnx").read_bytes() == content
    if reason or stated["status"] == "not_applicable":  # or it found out by trying
        assert stated["status"] == "not_applicable"
        assert stated["reason"] == (reason or stated["reason"])
        return
    assert stated["status"] == "ok", stated["reason"]
    assert stated["recipe"] == [*FOLLOWS.get(name, ()), name]
    size = SMALLER.get(name, "weight_bytes")
    assert size is None or stated[size] < certificate(before)[size]
    first, made = (graphs.session((f / "model.onnx").read_bytes()) for f in (before, folder))
    for ends in ("get_inputs", "get_outputs"):
        old, new = ([(e.name, e.type, e.shape) for e in getattr(s, ends)()] for s in (first, made))
        assert old == new
    again = compressed(study, model, name, "again")
    assert (again / "model.onnx").read_bytes() == (folder / "model.onnx").read_bytes()


def test_one_whose_model_is_of_another_plugin_names_it_for_the_key_and_goes_on(study):
    """What `becomes` names is among what `uses` does, and techniques for networks follow."""
    into = {"distill": {"into": "mlp", "student": {"width": 16, "epochs": 1}}}
    assert {n for n in NAMES if hasattr(plugins.plugin("technique", n), "becomes")} == set(into)
    for name, params in into.items():
        step, model = technique(name, **params), study.model("light_gbm")
        becomes = step.module.becomes(step.typed, model)
        assert becomes != model
        assert becomes in step.module.uses(step.typed)
        assert step.module.becomes(technique(name).typed, model) == model
        for following in ("prune_structured", "prune_unstructured", "qat", "fp16", "ptq_int8"):
            recipe = [step, *recipe_of(following)]
            stated = certificate(study.compressed("light_gbm", f"{name}_{following}", *recipe))
            assert stated["status"] == "ok", stated["reason"]


@pytest.mark.parametrize("name", NAMES)
def test_it_fits_some_model(name, study):
    found = [certificate(compressed(study, m, name))["status"] for m in MODELS]
    if name in KERAS:
        assert set(found) == {"not_applicable"}
        pytest.skip("a Keras model alone: tests/unit/compress/test_litert.py")
    assert "ok" in found
    assert "failed" not in found
    if name != "simplify":
        assert found[0] == "not_applicable"  # a baseline has nothing to compress
