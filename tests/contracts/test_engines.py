"""Every engine against the promises of its kind: it runs graphs of each sort or says why not."""

import numpy as np
import pytest

from tasks.benchmark.subject import Rows, Subject
from tasks.core import devices, plugins, scoring
from tests.compressed import KERAS, Study, certificate, recipe_of, technique
from tests.prepared import prepared_digits, prepared_table

pytestmark = pytest.mark.contracts
NAMES = plugins.names("engine")
CPU = [n for n in NAMES if plugins.plugin("engine", n).DEVICE == "any"]
SMALLEST_MODEL = {  # that a technique is for, where it is not a network
    "truncate": "light_gbm",
    "prune_trees": "light_gbm",
    "quantise_thresholds": "light_gbm",
    "simplify": "baseline",
}
CASES = [("digits", "convnet"), ("digits", "linear"), ("table", "linear"), ("table", "light_gbm")]


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Study]:
    folder = tmp_path_factory.mktemp("engines")
    return {
        "digits": Study(prepared_digits(folder / "d" / "prepared"), folder / "d"),
        "table": Study(prepared_table(folder / "t" / "prepared", "regression"), folder / "t"),
        "numbers": Study(
            prepared_table(folder / "n" / "prepared", "regression", with_categories=False),
            folder / "n",
        ),
    }


def subject(study: Study, model: str, recipe: str = "fp32") -> Subject:
    folder = study.fp32(model)
    if recipe != "fp32":
        folder = study.compressed(model, recipe, technique("ptq_int8", dialect=recipe))
    return Subject(
        *(certificate(folder), folder / "model.onnx", study.model(model).module),
        *(study.fitted(model), study.data.meta),
    )


def test_there_are_engines():
    assert len(NAMES) >= 5
    assert len(CPU) >= 3


@pytest.mark.parametrize("name", NAMES)
def test_its_module_keeps_the_protocol(name):
    module = plugins.plugin("engine", name)
    assert isinstance(module.Params(), plugins.PluginParams)
    assert module.LIBRARIES
    assert module.DEVICE in ("any", "cuda")
    assert "Not for" in module.__doc__.replace("\n", " ")
    reason = plugins.unavailable("engine", name)
    if module.DEVICE == "cuda" and not devices.gpus():
        assert reason
        assert "pip install" in reason or "GPU" in reason


@pytest.mark.parametrize(("kind", "model"), CASES)
@pytest.mark.parametrize("name", NAMES)
def test_it_predicts_what_the_model_predicts_or_says_why_not(name, kind, model, studies):
    module = plugins.plugin("engine", name)
    study = studies[kind]
    given = subject(study, model)
    reason = module.supports(given)
    if reason is not None:
        assert len(reason) > 8
        return
    if plugins.unavailable("engine", name):
        pytest.skip(plugins.unavailable("engine", name))
    data = study.data
    judged = data.meta.judged
    rows = Rows(data.feed(judged), data.X(judged))
    device = "cuda" if module.DEVICE == "cuda" else "cpu"
    session = module.load(given, module.Params(), device, 1)
    expected = np.asarray(given.plugin.predict(given.plugin.load(given.fitted), rows.X))
    for take in (slice(0, 1), slice(0, 17), slice(3, 5)):  # any batch size, in any order
        got = np.asarray(session.run(session.feed(rows.part(take)))).reshape(expected[take].shape)
        np.testing.assert_allclose(got, expected[take], rtol=1e-4, atol=1e-5)
    nodes = session.nodes()
    assert nodes is None or all(count > 0 for count in nodes.values())


@pytest.mark.parametrize("kind", plugins.names("technique"))
@pytest.mark.parametrize("name", CPU)
def test_what_a_technique_made_predicts_as_certified_or_it_says_why_not(name, kind, studies):
    module, study = plugins.plugin("engine", name), studies["numbers"]
    model = SMALLEST_MODEL.get(kind, "mlp")
    folder = study.compressed(model, kind, *recipe_of(kind))
    stated = certificate(folder)
    if kind in KERAS:
        assert stated["status"] == "not_applicable"
        pytest.skip("a Keras model alone: tests/unit/compress/test_litert.py")
    assert stated["status"] == "ok", stated["reason"]
    plugin = study.model(model).module
    given = Subject(
        *(stated, folder / "model.onnx", plugin, study.fitted(model), study.data.meta),
    )
    reason = module.supports(given)
    if name == "onnx_runtime" or (name == "open_vino" and not given.is_trees):
        assert reason is None
    if reason is not None:
        assert len(reason) > 8
        return
    data = study.data
    rows = Rows(data.feed(data.meta.judged), data.X(data.meta.judged))
    session = module.load(given, module.Params(), "cpu", 1)
    got = np.ravel(session.run(session.feed(rows)))
    found = scoring.scores("regression", data.y(data.meta.judged), got, study.metrics)
    assert found == pytest.approx(stated["metrics"], rel=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_int8_or_says_why_not(name, studies):
    module = plugins.plugin("engine", name)
    study = studies["digits"]
    fits = 0
    for dialect in ("int8_cpu", "int8_trt"):
        given = subject(study, "convnet", dialect)
        if module.supports(given) is None:
            fits += 1
            if plugins.unavailable("engine", name):
                continue
            data = study.data
            rows = Rows(data.feed("test", slice(0, 64)), data.X("test")[:64])
            session = module.load(given, module.Params(), "cpu", 1)
            got = session.run(session.feed(rows))
            exact = given.plugin.predict(given.plugin.load(given.fitted), rows.X)
            assert (got.argmax(axis=1) == exact.argmax(axis=1)).mean() > 0.9
            if name == "open_vino":
                assert session.quantised_share() == 1.0
    assert fits or name in ("native", "torch_eager", "litert")
