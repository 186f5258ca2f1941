"""Engines that need an NVIDIA GPU, on one."""

import numpy as np
import pytest

from tasks.benchmark import builds
from tasks.benchmark.subject import Rows, Subject
from tasks.core import devices, plugins
from tasks.core.home import subfolder
from tests.compressed import Study, certificate, technique
from tests.prepared import prepared_digits

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not devices.gpus(), reason="no NVIDIA GPU"),
]
NAMES = [n for n in plugins.names("engine") if plugins.plugin("engine", n).DEVICE == "cuda"]


@pytest.mark.parametrize("recipe", ["fp32", "fp16", "int8_trt"])
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_the_convnet_on_the_gpu(name, recipe, tmp_path, monkeypatch):
    reason = plugins.unavailable("engine", name)
    if reason:
        pytest.skip(reason)
    study = Study(prepared_digits(tmp_path / "prepared"), tmp_path)
    folder = study.fp32("convnet")
    if recipe == "fp16":
        folder = study.compressed("convnet", recipe, technique("fp16"))
    elif recipe == "int8_trt":
        folder = study.compressed("convnet", recipe, technique("ptq_int8", dialect=recipe))
    given = Subject(
        *(certificate(folder), folder / "model.onnx", study.model("convnet").module),
        *(study.fitted("convnet"), study.data.meta),
    )
    module = plugins.plugin("engine", name)
    session = module.load(given, module.Params(), "cuda", 1)
    rows = Rows(study.data.feed("test"), study.data.X("test"))
    got = session.run(session.feed(rows))
    exact = given.plugin.predict(given.plugin.load(given.fitted), rows.X)
    assert (np.asarray(got).argmax(axis=1) == exact.argmax(axis=1)).mean() > 0.95
    if name == "tensor_rt":
        kept = list(subfolder("tensorrt").iterdir())
        assert sorted(p.suffix for p in kept) == [".engine", ".timing"]
        assert all(builds.read(place) for place in kept)
        monkeypatch.setattr(module, "_built", None)  # the kept one is opened
        again = module.load(given, module.Params(), "cuda", 1)
        np.testing.assert_array_equal(again.run(again.feed(rows)), got)
