import subprocess
import sys

import pytest
import torch

from tasks.core.plugins import ROOT
from tasks.nets.optimizer import AdamW


def network() -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))


def moved(ours: torch.nn.Module, theirs: torch.nn.Module, step_theirs) -> None:
    """Take 25 steps with both, at rates that change, and compare the weights."""
    optimizer = AdamW(ours, weight_decay=0.1)
    X = torch.rand(20, 3, generator=torch.Generator().manual_seed(1))
    for step in range(25):
        optimizer.rate = 0.01 * (step + 1)
        optimizer.zero_grad()
        ours(X).pow(2).sum().backward()
        optimizer.step()
        theirs.zero_grad()
        theirs(X).pow(2).sum().backward()
        step_theirs(0.01 * (step + 1))
    optimizer.release()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
        assert a.grad is None


def test_the_steps_are_those_of_the_paper():
    """Loshchilov & Hutter 2019, algorithm 2, weight by weight in double precision."""
    theirs = network()
    state = [
        (p, torch.zeros_like(p).double(), torch.zeros_like(p).double()) for p in theirs.parameters()
    ]
    count = 0

    def step(rate: float) -> None:
        nonlocal count
        count += 1
        for weight, mean, square in state:
            slope = weight.grad.double()
            mean.copy_(0.9 * mean + 0.1 * slope)
            square.copy_(0.999 * square + 0.001 * slope**2)
            move = (mean / (1 - 0.9**count)) / ((square / (1 - 0.999**count)).sqrt() + 1e-8)
            weight.data -= (rate * (move + 0.1 * weight.data.double())).float()

    moved(network(), theirs, step)


@pytest.mark.slow  # torch.optim's first use imports torch's compiler: 4.5 s
def test_the_steps_are_those_of_torch():
    theirs = network()
    reference = torch.optim.AdamW(theirs.parameters(), lr=1.0, weight_decay=0.1)

    def step(rate: float) -> None:
        reference.param_groups[0]["lr"] = rate
        reference.step()

    moved(network(), theirs, step)


def test_a_fit_imports_no_compiler():
    code = (
        "import sys; import numpy as np\n"
        "from tasks.core.fitting import FitContext, FitData\n"
        "from tasks.train.models import mlp\n"
        "X = np.random.default_rng(0).random((40, 3), dtype='float32')\n"
        "y = (X[:, 0] > 0.5).astype('int64')\n"
        "data = FitData(X, y, X[:9], y[:9], 'classification', 2)\n"
        "mlp.fit(data, mlp.Params(epochs=1), FitContext())\n"
        "sys.exit('torch._dynamo' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
