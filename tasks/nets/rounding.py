"""Layers that round as INT8 does, for fitting a network under it (Jacob et al. 2018, arXiv
1712.05877): activations by 8 bits of a running range, weights by 7 a channel, as `ptq_int8` for
CPUs will. Gradients pass through.

A scale a channel of weights follows whatever a batch normalisation that is folded in multiplies
the channel by, so the weights are rounded as they are, without folding.

Torch is imported by whoever fits a network, so this module is imported inside functions only.
"""

import copy

import torch
from torch import Tensor, nn
from torch.func import functional_call

MOMENTUM = 0.01  # of a batch in the running range
WEIGHT, ACTIVATION = 64, 255  # the largest integers
TINY = 1e-8


class Rounded(nn.Module):
    """A layer whose inputs and weights are rounded."""

    low: Tensor
    high: Tensor
    seen: Tensor

    def __init__(self, layer: nn.Conv2d | nn.Linear) -> None:
        super().__init__()
        self.layer: nn.Conv2d | nn.Linear = layer
        for name in ("low", "high", "seen"):
            self.register_buffer(name, torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        if self.training:
            self._see(x.detach())
        weight = {"weight": _rounded_weight(self.layer.weight)}
        return functional_call(self.layer, weight, (self._rounded(x),))

    def _see(self, x: Tensor) -> None:
        """Move the range, which always has 0 in it, towards a batch's; the first sets it."""
        share = torch.where(self.seen > 0, MOMENTUM, 1.0)
        low, high = torch.aminmax(x)
        self.low.lerp_(low.clamp(max=0), share)
        self.high.lerp_(high.clamp(min=0), share)
        self.seen.fill_(1)

    def _rounded(self, x: Tensor) -> Tensor:
        scale = ((self.high - self.low) / ACTIVATION).clamp(min=TINY)
        zero = (-self.low / scale).round().int()
        return torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, ACTIVATION)


def rounded(network: nn.Module) -> nn.Module:
    """Return a copy of a network with its layers rounded."""
    network = copy.deepcopy(network)
    for name, layer in list(network.named_modules()):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            network.set_submodule(name, Rounded(layer))
    return network


def unrounded(network: nn.Module) -> nn.Module:
    """Return a copy of a network that `rounded` made, with its layers as they were."""
    network = copy.deepcopy(network)
    for name, layer in list(network.named_modules()):
        if isinstance(layer, Rounded):
            network.set_submodule(name, layer.layer)
    return network


def _rounded_weight(weight: Tensor) -> Tensor:
    """Return weights rounded symmetrically, each output channel by a scale of its own."""
    scale = weight.detach().flatten(1).abs().amax(1).clamp(min=TINY) / WEIGHT
    zero = torch.zeros_like(scale, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -WEIGHT, WEIGHT)
