"""Layers that round as INT8 does while a network is fitted."""

import numpy as np
import pytest
import torch
from torch import nn

from tasks.nets.architectures import mobilenet_v2, resnet18
from tasks.nets.rounding import Rounded, rounded, unrounded


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5))


def test_activations_take_256_values_and_a_channel_of_weights_129():
    layer = nn.Linear(1000, 4, bias=False)
    made = Rounded(layer).train()
    x = torch.randn(1, 1000) * 3 + 1
    made(x)
    step = float(made.high - made.low) / 255
    assert (float(made.low), float(made.high)) == pytest.approx((float(x.min()), float(x.max())))
    assert (made._rounded(x) - x).abs().max() <= step * 0.501
    seen = []
    layer.register_forward_pre_hook(lambda *_: seen.append(layer.weight.detach()))
    made(x)
    for channel, exact in zip(seen[0], layer.weight.detach(), strict=True):
        largest = exact.abs().max()
        assert len(channel.unique()) <= 129
        assert (channel - exact).abs().max() <= largest / 64 * 0.501


def test_the_range_is_that_of_the_first_batch_then_moves_slowly_and_not_in_evaluation():
    made = Rounded(nn.Linear(2, 1)).train()
    made(torch.tensor([[1.0, 3.0]]))
    assert (float(made.low), float(made.high)) == (0.0, 3.0), "0 is in every range"
    made(torch.tensor([[-1.0, 3.0]]))
    assert float(made.low) == pytest.approx(-0.01)
    made.eval()(torch.tensor([[-9.0, 9.0]]))
    assert float(made.low) == pytest.approx(-0.01)


def test_a_channel_that_is_scaled_is_rounded_alike():
    """So weights need no folding of the batch normalisation that follows."""
    layer, scale = nn.Conv2d(4, 6, 3, bias=False), torch.rand(6) + 0.1
    other = nn.Conv2d(4, 6, 3, bias=False)
    other.weight.data = layer.weight.data * scale.reshape(-1, 1, 1, 1)
    x = torch.randn(2, 4, 8, 8)
    one, two = Rounded(layer).train()(x), Rounded(other).train()(x)
    torch.testing.assert_close(one * scale.reshape(1, -1, 1, 1), two)


def test_gradients_pass_and_the_network_that_was_given_stays_as_it_is():
    given = network()
    before = [p.detach().clone() for p in given.parameters()]
    made = rounded(given).train()
    x = torch.randn(16, 3, 8, 8)
    made(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in made.parameters())
    assert all(p.grad is None for p in given.parameters())
    back = unrounded(made)
    assert list(back.state_dict()) == list(given.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(before, back.parameters(), strict=True))
    torch.testing.assert_close(back(x), given(x))


@pytest.mark.parametrize("build", [resnet18, mobilenet_v2])
def test_every_layer_of_the_image_networks_is_rounded(build):
    X = np.random.default_rng(0).normal(size=(4, 16 * 16 * 3)).astype(np.float32)
    given = build(X, (16, 16, 3), 10, 8, 0.0).eval()
    kinds = (nn.Conv2d, nn.Linear)
    layers = sum(isinstance(m, kinds) for m in given.modules())
    made = rounded(given)
    assert sum(isinstance(m, Rounded) for m in made.modules()) == layers > 15
    rows = torch.from_numpy(X)
    with torch.no_grad():
        for module in made.modules():
            if isinstance(module, Rounded):
                module.train()  # takes its range; batch normalisation stays
        apart = (made(rows) - given(rows)).abs().max()
    assert 0 < apart < 0.5 * given(rows).detach().std()
