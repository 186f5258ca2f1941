"""What a model says where the library for fits on a GPU is not there."""

import pytest

from tasks.core.errors import EngineUnavailable
from tasks.core.fitting import FitContext
from tasks.core.plugins import plugin
from tests.prepared import prepared_table


@pytest.mark.parametrize("name", ["linear", "random_forest", "xg_boost", "mlp"])
def test_a_gpu_fit_without_the_library_is_an_error_and_no_silent_fallback(name, tmp_path):
    module = plugin("model", name)
    if module.gpu_missing() is None:
        pytest.skip("the library for GPU fits is installed here")
    from tasks.core.fitting import training_data

    data = training_data(prepared_table(tmp_path))
    with pytest.raises(EngineUnavailable, match="extra"):
        module.fit(data, module.Params(), FitContext(device="cuda"))
