import subprocess
import sys

import torch

from tasks.core.plugins import ROOT
from tasks.nets.optimizer import AdamW


def network() -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))


def test_the_steps_are_those_of_torch():
    ours, theirs = network(), network()
    optimizer = AdamW(ours, weight_decay=0.1)
    reference = torch.optim.AdamW(theirs.parameters(), lr=1.0, weight_decay=0.1)
    X = torch.rand(20, 3, generator=torch.Generator().manual_seed(1))
    for step in range(25):
        rate = 0.01 * (step + 1)
        optimizer.rate = reference.param_groups[0]["lr"] = rate
        for model, mover in ((ours, optimizer), (theirs, reference)):
            mover.zero_grad()
            model(X).pow(2).sum().backward()
            mover.step()
    optimizer.release()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
        assert a.grad is None


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
