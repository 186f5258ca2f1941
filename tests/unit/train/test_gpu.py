"""What happens to each model where a GPU, or the library for it, is or is not there."""

import pytest

from tasks.core.errors import EngineUnavailable
from tasks.core.fitting import FitContext
from tasks.core.plugins import plugin
from tasks.train import gpu
from tests.prepared import prepared_table


def test_on_the_cpu_nothing_is_asked():
    assert gpu.device_for("linear", "cpu") == ("cpu", None)


def test_a_model_without_gpu_implementation_runs_on_the_cpu_and_says_so():
    device, note = gpu.device_for("light_gbm", "cuda", demanded=True)
    assert device == "cpu"
    assert note == "light_gbm: on the CPU: it has no GPU implementation"


def test_a_missing_library_is_told_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setattr(
        plugin("model", "linear"), "gpu_missing", lambda: "cuML is not installed; x"
    )
    device, note = gpu.device_for("linear", "cuda")
    assert device == "cpu"
    assert note == "linear: on the CPU: cuML is not installed; x"
    with pytest.raises(EngineUnavailable, match="cuda was asked for, but cuML is not installed"):
        gpu.device_for("linear", "cuda", demanded=True)
    monkeypatch.setattr(plugin("model", "linear"), "gpu_missing", lambda: None)
    assert gpu.device_for("linear", "cuda") == ("cuda", None)


@pytest.mark.parametrize("name", ["linear", "random_forest", "xg_boost", "mlp"])
def test_a_gpu_fit_without_the_library_is_an_error_and_no_silent_fallback(name, tmp_path):
    module = plugin("model", name)
    if module.gpu_missing() is None:
        pytest.skip("the library for GPU fits is installed here")
    from tasks.train.fitting import training_data

    data = training_data(prepared_table(tmp_path))
    with pytest.raises(EngineUnavailable, match="extra"):
        module.fit(data, module.Params(), FitContext(device="cuda"))
