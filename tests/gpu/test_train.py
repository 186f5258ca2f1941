"""Fits on an NVIDIA GPU: torch in mixed precision, XGBoost, and cuML where it is installed."""

import numpy as np
import pytest

from tasks.core import devices
from tasks.core.fitting import FitContext, FitData
from tasks.core.plugins import names, plugin
from tasks.core.telemetry import sampling

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not devices.gpus(), reason="NVML finds no NVIDIA GPU here"),
]
QUICK = {
    "random_forest": {"trees": 20},
    "xg_boost": {"rounds": 30},
    "mlp": {"epochs": 15},
    "convnet": {"epochs": 3, "width": 8},
}
ON_GPU = [name for name in names("model") if hasattr(plugin("model", name), "gpu_missing")]


def rows(task: str) -> FitData:
    rng = np.random.default_rng(0)
    X = rng.random((3000, 64), dtype=np.float32)
    signal = X[:, 0] + 2 * X[:, 9] - X[:, 17] * X[:, 3]
    y = signal if task == "regression" else (signal > np.median(signal)).astype(np.int64)
    return FitData(X[:2500], y[:2500], X[2500:], y[2500:], task, 2, (8, 8, 1))  # type: ignore[arg-type]


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("name", ON_GPU)
def test_a_gpu_fit_learns_repeats_itself_and_predicts_on_the_cpu(name, task, tmp_path):
    module = plugin("model", name)
    if reason := module.gpu_missing():
        pytest.skip(reason)
    data = rows(task)
    params = module.Params(**QUICK.get(name, {}))
    model, again = (module.fit(data, params, FitContext(device="cuda")) for _ in range(2))
    predicted = module.predict(model, data.X_stop)
    np.testing.assert_allclose(module.predict(again, data.X_stop), predicted, rtol=1e-4, atol=1e-4)
    if name != "convnet" and task == "regression":
        assert np.mean((predicted - data.y_stop) ** 2) < 0.5 * data.y_stop.var()
    elif name != "convnet":
        assert (predicted.argmax(1) == data.y_stop).mean() > 0.75
    module.save(model, tmp_path)
    np.testing.assert_allclose(module.predict(module.load(tmp_path), data.X_stop), predicted)
    if hasattr(module, "facts"):
        assert "cu" in module.facts(model)["estimator"]  # cuda, or cuml


def test_a_killed_gpu_fit_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    from tasks.core import progress
    from tasks.nets import fitting
    from tasks.train.models import mlp

    if reason := mlp.gpu_missing():
        pytest.skip(reason)
    monkeypatch.setattr(fitting, "CHECKPOINT_EVERY_S", 0.0)
    data, params = rows("regression"), mlp.Params(epochs=6)
    whole = mlp.fit(data, params, FitContext(device="cuda"))

    def stop(share: float, text: str) -> None:
        if text.startswith("epoch 3 "):
            raise KeyboardInterrupt

    context = FitContext(device="cuda", checkpoint=tmp_path)
    with pytest.raises(KeyboardInterrupt), progress.to(stop):
        mlp.fit(data, params, context)
    resumed = mlp.fit(data, params, context)
    assert resumed.curves == whole.curves
    np.testing.assert_array_equal(
        mlp.predict(resumed, data.X_stop), mlp.predict(whole, data.X_stop)
    )


def test_the_gpu_is_sampled():
    with sampling("cuda", every_s=0.05) as samples:
        pass
    assert samples
    assert samples[0]["memory_mib"] > 0


def test_nvml_states_the_memory_that_slots_admit_by():
    stated = devices.memory()
    assert stated
    assert 0 < stated.free_mib <= stated.total_mib == devices.gpus()[0].memory_mib


def test_a_batch_too_large_for_the_gpu_is_done_in_pieces():
    """A hidden layer's outputs take a half or more of what is free in 16 bits, and two layers
    keep three of them each for the way back, with their gradients.
    """
    from tasks.core import child, pieces
    from tasks.train.models import mlp

    if reason := mlp.gpu_missing():
        pytest.skip(reason)
    stated = devices.memory()
    assert stated
    n_rows = 2 ** int(np.log2(stated.free_mib * devices.MIB / (2 * 8192)))
    outcome, count = pieces.fewest(lambda pieces: child.run(large_fit, n_rows, pieces), 64)
    assert count > 1
    assert outcome.value["pieces"] == count


def large_fit(n_rows: int, pieces: int) -> dict:
    """Return the facts of a fit whose only batch has `n_rows`, in a network 8192 wide."""
    from tasks.train.models import mlp

    X = np.random.default_rng(0).random((n_rows, 4), dtype=np.float32)
    data = FitData(X, X[:, 0].astype(float), X[:2], X[:2, 0].astype(float), "regression")
    params = mlp.Params(width=8192, depth=2, bins=0, epochs=1, batch_size=n_rows)
    return mlp.fit(data, params, FitContext(device="cuda", pieces=pieces)).facts
