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
from tasks.nets import checkpoint, determinism, fitting, state
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


def one_step(pieces: int, network, X, y, smoothing: float = 0.0):
    """Return the loss of a batch and the gradients it adds, worked on in pieces."""
    import torch

    optimizer = fitting.AdamW(network, 0.0)
    precision = state.precision(torch.device("cpu"))
    run = state.Run(network, optimizer, precision, torch.Generator(), state.Hooks())
    optimizer.zero_grad()
    loss = fitting._add_gradients(run, X, y, pieces, smoothing)
    return float(loss), optimizer.gradient.clone()


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("pieces", [2, 3, 7, 64, 1000])
def test_gradients_of_pieces_add_up_to_those_of_the_batch(task, pieces):
    import torch
    from torch import nn

    torch.manual_seed(0)
    X = torch.randn(101, 6)  # no multiple of the pieces
    y = torch.randn(101, 2) if task == "regression" else torch.randint(0, 2, (101,))
    network = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))
    loss, gradient = one_step(1, network, X, y, 0.1)
    assert loss == pytest.approx(float(fitting.loss_of(network(X), y, 0.1).detach()), rel=1e-6)
    split_loss, split_gradient = one_step(pieces, network, X, y, 0.1)
    assert split_loss == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(split_gradient, gradient, rtol=1e-4, atol=1e-6)
    assert not torch.equal(split_gradient, gradient)  # the pieces were worked on one by one


def test_one_piece_is_one_pass_over_the_whole_batch():
    import torch

    sizes: list[int] = []

    class Noting(torch.nn.Linear):
        def forward(self, x):
            sizes.append(len(x))
            return super().forward(x)

    network, X = Noting(3, 1), torch.randn(10, 3)
    loss, gradient = one_step(1, network, X, X[:, :1])
    network.zero_grad()
    whole = fitting.loss_of(network(X), X[:, :1])
    whole.backward()
    assert loss == float(whole.detach())
    assert torch.equal(network.weight.grad.reshape(-1), gradient[:3])
    one_step(4, network, X, X[:, :1])
    one_step(99, network, X, X[:, :1])
    assert sizes == [10, 10, 3, 3, 2, 2, 2, 2, 2, 2, 2]  # a piece has two rows or more


def test_a_fit_in_pieces_comes_to_the_same_and_says_so():
    params = mlp.Params(width=16, epochs=4, batch_size=64, bins=4, dropout=0.0)
    whole, split = (mlp.fit(rows(), params, FitContext(seed=4, pieces=n)) for n in (1, 4))
    assert split.facts == whole.facts | {"pieces": 4}
    assert weights(split) != weights(whole)
    np.testing.assert_allclose(split.curves["train loss"], whole.curves["train loss"], rtol=1e-3)
    np.testing.assert_allclose(
        mlp.predict(split, rows().X_stop), mlp.predict(whole, rows().X_stop), rtol=1e-2, atol=1e-2
    )


def test_batch_normalisation_in_pieces_is_named():
    from tasks.train.models import convnet

    X = np.random.default_rng(0).random((60, 64), dtype=np.float32)
    y = (X[:, 0] > 0.5).astype(np.int64)
    data = FitData(X[:50], y[:50], X[50:], y[50:], "classification", 2, (8, 8, 1))
    params = convnet.Params(width=4, epochs=1, batch_size=16)
    model = convnet.fit(data, params, FitContext(pieces=2))
    assert model.facts["pieces"] == 2
    assert model.facts["pieces_note"].startswith("batch normalisation saw each piece")


def test_a_fit_goes_on_in_pieces_from_its_checkpoint(tmp_path, monkeypatch):
    """As after an out-of-memory in the middle: what was done before it is not done again."""
    monkeypatch.setattr(fitting, "CHECKPOINT_EVERY_S", 0.0)
    texts: list[str] = []

    def stop(share: float, text: str) -> None:
        if text.startswith("epoch 5 "):
            raise Killed

    with pytest.raises(Killed), progress.to(stop):
        mlp.fit(rows(), PARAMS, FitContext(seed=4, checkpoint=tmp_path))
    with progress.to(lambda share, text: texts.append(text)):
        mlp.fit(rows(), PARAMS, FitContext(seed=4, checkpoint=tmp_path, pieces=2))
    assert texts[0].startswith("epoch 6 of 12")


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
    with determinism.reproducible(3, 1):
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


@pytest.mark.parametrize("damage", ["flip", "truncate", "unsigned"])
def test_a_checkpoint_that_is_not_as_it_was_written_is_not_taken(tmp_path, monkeypatch, damage):
    monkeypatch.setattr(fitting, "CHECKPOINT_EVERY_S", 0.0)
    params = mlp.Params(width=8, epochs=2, bins=0)
    fresh = weights(mlp.fit(rows(), params, FitContext(checkpoint=tmp_path)))
    path = tmp_path / checkpoint.NAME
    assert checkpoint.load(tmp_path) is not None
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-1] ^= 1
    elif damage == "truncate":
        del content[-1]
    else:
        content = content.replace(b'"digest"', b'"nodigs"')
    path.write_bytes(content)
    assert checkpoint.load(tmp_path) is None
    again = mlp.fit(rows(), params, FitContext(checkpoint=tmp_path))
    assert weights(again) == fresh
