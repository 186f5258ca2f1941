"""Every compression technique against the promises of its kind."""

from pathlib import Path

import onnx
import pytest

from tasks.compress import graphs
from tasks.compress.protocol import Parent
from tasks.core import plugins
from tests.compressed import FOLLOWS, KERAS, Study, certificate, recipe_of
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
