"""Every compression technique against the promises of its kind."""

import onnx
import pytest

from tasks.compress import graphs
from tasks.compress.protocol import Parent
from tasks.core import plugins
from tests.compressed import Study, certificate, technique
from tests.prepared import prepared_table

pytestmark = pytest.mark.contracts
NAMES = plugins.names("technique")
MODELS = ("baseline", "linear", "mlp", "light_gbm")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("techniques")
    return Study(prepared_table(folder / "prepared", "regression"), folder)


def test_there_are_techniques():
    assert len(NAMES) >= 3


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
    folder = study.compressed(model, name, technique(name))
    stated = certificate(folder)
    parent = Parent(
        onnx.load(before / "model.onnx"), study.model(model).module, study.fitted(model)
    )
    reason = plugins.plugin("technique", name).applies(parent)
    assert (before / "model.onnx").read_bytes() == content
    if reason:
        assert stated["status"] == "not_applicable"
        assert stated["reason"] == reason
        return
    assert stated["status"] == "ok", stated["reason"]
    assert stated["recipe"] == [name]
    assert stated["weight_bytes"] < certificate(before)["weight_bytes"]
    first, made = (graphs.session((f / "model.onnx").read_bytes()) for f in (before, folder))
    for ends in ("get_inputs", "get_outputs"):
        old, new = ([(e.name, e.type, e.shape) for e in getattr(s, ends)()] for s in (first, made))
        assert old == new
    again = study.compressed(model, f"{name}_again", technique(name))
    assert (again / "model.onnx").read_bytes() == (folder / "model.onnx").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_it_fits_some_model(name, study):
    found = [certificate(study.compressed(m, name, technique(name)))["status"] for m in MODELS]
    assert "ok" in found
    assert "failed" not in found
    assert found[0] == "not_applicable"  # a baseline has nothing to compress
