"""The few layers that torch does not have. `tasks.nets.export` knows each of them and torch's own.

Torch is imported by whoever builds a network, so this module is imported inside functions only.
"""

import torch
from torch import Tensor, nn


class Standardise(nn.Module):
    """(x - mean) x inverse spread, by feature; both fitted on the training rows, not learnt."""

    mean: Tensor
    inverse: Tensor

    def __init__(self, mean: Tensor, spread: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("inverse", 1 / torch.where(spread > 1e-6, spread, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) * self.inverse


class PiecewiseLinear(nn.Module):
    """How far each feature has come through each of its quantile bins, beside the feature itself.

    Gorishniy et al. 2022 (arXiv 2203.05556), section 3.2: a linear layer on top is a piecewise
    linear function of each feature. (n, feature) -> (n, feature x (1 + bins)).
    """

    low: Tensor
    inverse: Tensor

    def __init__(self, edges: Tensor) -> None:
        """`edges`: (feature, bins + 1), ascending; an empty bin stays 0."""
        super().__init__()
        width = edges[:, 1:] - edges[:, :-1]
        self.register_buffer("low", edges[:, :-1].contiguous())
        self.register_buffer("inverse", torch.where(width > 1e-6, 1 / width.clamp(min=1e-6), 0.0))

    def forward(self, x: Tensor) -> Tensor:
        come = ((x.unsqueeze(2) - self.low) * self.inverse).clamp(0, 1)  # (n, feature, bin)
        return torch.cat([x, come.flatten(1)], 1)


class Image(nn.Module):
    """Makes images of rows: (n, height x width x channel) -> (n, channel, height, width)."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(-1, *self.shape).permute(0, 3, 1, 2).contiguous()


class Shortcut(nn.Conv2d):
    """A strided 1 x 1 convolution, computed as an unstrided one of the pixels that it looks at.

    oneDNN's gradient of a strided one writes past its memory on a CPU with AVX2 and no AVX-512
    (torch 2.13, channels last): the heap is corrupted at 4 to 6 input channels.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(inputs, outputs, 1, stride=stride, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        down, across = self.stride
        return nn.functional.conv2d(input[:, :, ::down, ::across], self.weight)


class Residual(nn.Module):
    """relu(body(x) + shortcut(x)); He et al. 2016 (arXiv 1512.03385)."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class Inverted(nn.Module):
    """x + body(x): a residual without an activation behind it, as MobileNetV2 has them."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Scale(nn.Module):
    """x scale + offset: brings an output back to the target's own unit."""

    def __init__(self, scale: float, offset: float) -> None:
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.offset
