"""The fit loop: schedule, early stopping, and checkpoints that lose nothing."""

import itertools
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tasks.core import progress
from tasks.core.errors import ParamsError
from tasks.core.fitting import FitContext, FitData
from tasks.core.plugins import ROOT
from tasks.nets import fitting
from tasks.train.models import mlp


def rows(n: int = 400) -> FitData:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 5)).astype(np.float32)
    y = np.sin(2 * X[:, 0]) + X[:, 1] + 0.1 * rng.normal(size=n)
    return FitData(X[:300], y[:300], X[300:], y[300:], "regression", feature_names=list("abcde"))


def weights(model) -> dict[str, bytes]:
    return {k: v.numpy().tobytes() for k, v in model.module.state_dict().items()}


PARAMS = mlp.Params(width=16, epochs=12, batch_size=32, bins=4, dropout=0.2)


class Killed(Exception):
    pass


@pytest.mark.parametrize("epoch", [1, 7])
def test_a_fit_that_was_stopped_goes_on_to_the_same_bits(tmp_path, monkeypatch, epoch):
    monkeypatch.setattr(fitting, "CHECKPOINT_EVERY_S", 0.0)
    whole = mlp.fit(rows(), PARAMS, FitContext(seed=4))
    context = FitContext(seed=4, checkpoint=tmp_path / "new" / "folder")
    texts: list[str] = []

    def stop(share: float, text: str) -> None:
        texts.append(text)
        if text.startswith(f"epoch {epoch} "):
            raise Killed

    with pytest.raises(Killed), progress.to(stop):
        mlp.fit(rows(), PARAMS, context)
    texts.clear()
    with progress.to(lambda share, text: texts.append(text)):
        resumed = mlp.fit(rows(), PARAMS, context)
    assert texts[0].startswith(f"epoch {epoch + 1} of 12")
    assert weights(resumed) == weights(whole)
    assert resumed.curves == whole.curves
    assert resumed.facts == whole.facts


def test_a_killed_process_leaves_a_whole_checkpoint(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[2]); import numpy as np\n"
        "from pathlib import Path\n"
        "from tasks.core.fitting import FitContext, FitData\n"
        "from tasks.nets import fitting; from tasks.train.models import mlp\n"
        "fitting.CHECKPOINT_EVERY_S = 0.0\n"
        "X = np.random.default_rng(0).normal(size=(300, 5)).astype('float32')\n"
        "data = FitData(X, X[:, 0].astype(float), X[:0], X[:0, 0].astype(float), 'regression')\n"
        "params = mlp.Params(width=16, epochs=5000, batch_size=32, bins=4)\n"
        "mlp.fit(data, params, FitContext(checkpoint=Path(sys.argv[1])))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(ROOT)])
    path = tmp_path / "checkpoint.safetensors"
    until = time.monotonic() + 120
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    X = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
    none = np.zeros(0)
    data = FitData(X, X[:, 0].astype(float), X[:0], none, "regression")
    done: list[float] = []

    def stop(share: float, text: str) -> None:
        done.append(share)
        raise Killed

    with pytest.raises(Killed), progress.to(stop):
        mlp.fit(
            data,
            mlp.Params(width=16, epochs=5000, batch_size=32, bins=4),
            FitContext(checkpoint=tmp_path),
        )
    assert done[0] >= 2 / 5000


def test_the_weights_are_those_of_the_best_epoch_and_patience_ends_the_fit():
    data = rows()
    noise = np.random.default_rng(1).normal(size=len(data.y_stop))  # nothing to learn for these
    hopeless = FitData(data.X, data.y, data.X_stop, noise, "regression")
    params = mlp.Params(width=32, epochs=100, batch_size=16, patience=3, learning_rate=0.02, bins=4)
    model = mlp.fit(hopeless, params, FitContext())
    losses = model.curves["stop loss"]
    best = int(np.argmin(losses))
    assert model.facts["best_round"] == best + 1
    assert len(losses) == best + 1 + 3 < 100
    predicted = mlp.predict(model, data.X_stop)
    loss = np.mean((predicted - noise) ** 2) / data.y.var()
    assert loss == pytest.approx(losses[best], rel=1e-4)


def test_the_rows_for_early_stopping_change_no_weight_before_they_end_the_fit():
    data = rows()
    other = FitData(data.X, data.y, data.X_stop, data.y_stop[::-1].copy(), "regression")
    curves = [mlp.fit(d, PARAMS, FitContext(seed=1)).curves["train loss"] for d in (data, other)]
    assert curves[0] == curves[1]


def test_a_fit_that_diverges_says_so():
    data = rows()
    wild = FitData(data.X, data.y, data.X_stop, data.y_stop * np.nan, "regression")
    with pytest.raises(ParamsError, match="lower learning_rate"):
        mlp.fit(wild, mlp.Params(width=8, epochs=2), FitContext())


def test_the_rate_rises_then_falls_to_nothing():
    factors = [fitting.rate(step, 100, 0.1) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] == 1.0
    assert factors[-1] < 0.001
    assert all(a >= b for a, b in itertools.pairwise(factors[9:]))
    assert fitting.rate(0, 1, 0.1) == 1.0


def test_torch_is_left_as_it_was():
    import torch

    state, threads = torch.get_rng_state(), torch.get_num_threads()
    with fitting.reproducible(3, 1):
        torch.rand(3)
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_an_unfinished_temporary_file_is_no_checkpoint(tmp_path: Path):
    (tmp_path / "checkpoint.1.tmp").write_bytes(b"half")
    params = mlp.Params(width=8, epochs=2, bins=0)
    fresh = mlp.fit(rows(), params, FitContext(checkpoint=tmp_path))
    assert weights(fresh) == weights(mlp.fit(rows(), params, FitContext()))
