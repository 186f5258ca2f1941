"""The ends of a network that forecasts: windows taken apart, and quantiles put together.

Imported inside functions only, as torch is. n: rows; everything is float32.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from tasks.nets.layers import Standardise

Relative = Literal["last", "window"]
AHEAD = 2  # what is told of a step beside what is known of it: how far it is, in two scales
LEVELS = 2  # of a leading channel in a window: mean and spread
NEAREST = 8  # last values of the leading channels that the highway takes
AT_ONCE = 2**19  # numbers of X that are evaluated at once
LEAST_SPREAD = 0.1  # of a window that is divided by its own, in standardised units


@dataclass(frozen=True)
class Shape:
    """A row of X: past (context, channel), the target first, then future (horizon, known), static.

    season: steps of a season, whose last one is shown beside each step where `context` has it;
    lead: steps from the last of the context to the first of the horizon; own_past: whether the
    target is a channel.
    """

    context: int
    horizon: int
    channels: int
    known: int
    season: int
    static: int = 0
    lead: int = 1
    own_past: bool = True

    @property
    def leading(self) -> int:
        """Return how many channels, the first ones, are seen most closely: the target, or all."""
        return 1 if self.own_past else self.channels

    @property
    def past_size(self) -> int:
        """Return how many columns of X are of the past."""
        return self.context * self.channels

    @property
    def features(self) -> int:
        """Return the columns of X."""
        return self.past_size + self.horizon * self.known + self.static

    @property
    def seasonal(self) -> bool:
        """Return whether the past has a whole season of the target."""
        return self.own_past and 0 < self.season <= self.context

    @property
    def levels(self) -> int:
        """Return how many numbers are told of a window as a whole."""
        return LEVELS * self.leading + self.static

    @property
    def ahead(self) -> int:
        """Return how many numbers are told of each step ahead."""
        return self.known + self.seasonal + AHEAD

    def same_time(self) -> list[int]:
        """Return for each step ahead the step of the past that is whole seasons before it."""
        first = self.context - self.season
        return [first + (self.lead - 1 + step) % self.season for step in range(self.horizon)]

    def distances(self) -> Tensor:
        """Return how far each step is, (horizon, AHEAD): even, and finer for the first ones."""
        steps = torch.arange(1, self.horizon + 1, dtype=torch.float32)
        return torch.stack([steps / self.horizon, 1 / steps], 1)


class Logarithm(nn.Module):
    """sign(x) log(1 + |x| / unit): even steps for equal ratios, above the unit."""

    def __init__(self, unit: float) -> None:
        super().__init__()
        self.unit = unit

    def forward(self, x: Tensor) -> Tensor:
        return torch.sign(x) * torch.log1p(x.abs() / self.unit)


class Restored(nn.Module):
    """Brings standardised values back to the target's own unit, as `Scaling.up` does."""

    def __init__(self, offset: float, scale: float, unit: float | None) -> None:
        super().__init__()
        self.offset, self.scale, self.unit = offset, scale, unit

    def forward(self, x: Tensor) -> Tensor:
        y = x * self.scale + self.offset
        return y if self.unit is None else torch.sign(y) * self.unit * torch.expm1(y.abs())


class Windows(nn.Module):
    """Takes rows (n, feature) apart, each part standardised: past (n, context, channel), known (n,
    horizon, known) and static (n, static).

    The target's logarithm is taken before where `unit` is given.
    """

    def __init__(self, shape: Shape, unit: float | None, scales: list[Standardise]) -> None:
        super().__init__()
        self.shape = shape
        self.logarithm = Logarithm(unit) if unit else None
        self.scales = nn.ModuleList(scales)

    def forward(self, x: Tensor) -> list[Tensor]:
        shape = self.shape
        last = shape.features - shape.static
        past = x[:, : shape.past_size].reshape(x.shape[0], shape.context, shape.channels)
        if self.logarithm is not None:
            past = torch.cat([self.logarithm(past[:, :, :1]), past[:, :, 1:]], 2)
        known = x[:, shape.past_size : last].reshape(x.shape[0], shape.horizon, shape.known)
        parts = (past, known, x[:, last:])
        return [scale(part) for scale, part in zip(self.scales, parts, strict=True)]


class Ascending(nn.Module):
    """Makes quantiles of numbers: (…, quantile) -> the same, ascending.

    The median is the number itself; each other one is away from its neighbour by the softplus of
    its own number, so that none can cross.
    """

    def __init__(self, median: int) -> None:
        super().__init__()
        self.median = median

    def forward(self, x: Tensor) -> Tensor:
        median = x[..., self.median : self.median + 1]
        apart = nn.functional.softplus(x)
        below, above = apart[..., : self.median], apart[..., self.median + 1 :]
        lower = median - below.flip(-1).cumsum(-1).flip(-1)
        return torch.cat([lower, median, median + above.cumsum(-1)], -1)


class Seen(NamedTuple):
    """What a network sees of rows, standardised.

    past: (n, context, channel); ahead: (n, horizon, ahead), what is told of each step; levels: (n,
    levels), of the window as a whole; nearest: (n, leading x NEAREST or fewer), the last values of
    the leading channels; centre, size: (n, 1), what the target is relative to.
    """

    past: Tensor
    ahead: Tensor
    levels: Tensor
    nearest: Tensor
    centre: Tensor
    size: Tensor


class Highway(nn.Linear):
    """A linear forecast from the last values, beside the network: (n, value) -> (n, horizon).

    Lai et al. 2018 (arXiv 1703.07015), section 3.6: what goes on as it was need not go through the
    network. It begins with the target's last value, and less of it for later steps; without its
    past, with nothing.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape.leading * min(NEAREST, shape.context), shape.horizon)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)
        if shape.own_past:
            self.weight.data[:, -1] = shape.distances()[:, 1]


class Forecaster(nn.Module):
    """(n, feature) -> (n, horizon x quantile), in units of the standardised target.

    `body` takes the past, what is told of each step ahead, and the window's levels, and gives
    numbers (n, horizon, quantile), to which the highway's are added. With `relative` the target is
    seen, and foretold, from the window's last value, or from the window's mean and in its spread
    (Kim et al. 2022, "Reversible instance normalization"). `offsets` calibrate the quantiles; where
    they would cross, the outer one goes with the inner.
    """

    distances: Tensor
    same_time: Tensor
    offsets: Tensor  # (horizon, quantile): added to what a fitted network foretells

    def __init__(
        self,
        windows: Windows,
        body: nn.Module,
        quantiles: list[float],
        relative: Relative | None,
    ) -> None:
        super().__init__()
        self.windows, self.relative = windows, relative
        self.highway = Highway(windows.shape)
        self.body = body
        self.ascending = Ascending(quantiles.index(0.5))
        self.levels = quantiles
        shape = windows.shape
        self.register_buffer("distances", shape.distances(), persistent=False)
        same_time = torch.tensor(shape.same_time() if shape.seasonal else [])
        self.register_buffer("same_time", same_time, persistent=False)
        self.register_buffer("offsets", torch.zeros(shape.horizon, len(quantiles)))
        self.rows_at_once = max(1, AT_ONCE // shape.features)

    def forward(self, x: Tensor) -> Tensor:
        seen = self.seen(x)
        numbers = self.ascending(self.body(seen.past, seen.ahead, seen.levels))
        numbers = numbers + self.highway(seen.nearest)[:, :, None]
        if self.relative == "window":
            numbers = numbers * seen.size[:, :, None]
        if self.relative:
            numbers = numbers + seen.centre[:, :, None]
        if not self.training:
            numbers = outward(numbers + self.offsets, self.ascending.median)
        return numbers.flatten(1)

    def seen(self, x: Tensor) -> Seen:
        """Return what the network sees of rows."""
        past, known, static = self.windows(x)
        leading = past[:, :, : self.windows.shape.leading]
        mean = leading.mean(1)  # (n, leading)
        spread = ((leading - mean[:, None]) ** 2).mean(1).sqrt()
        centre = leading[:, -1] if self.relative == "last" else mean
        size = spread + LEAST_SPREAD
        if self.relative:
            leading = leading - centre[:, None]
        if self.relative == "window":
            leading = leading / size[:, None]
        if self.relative:
            past = torch.cat([leading, past[:, :, 1:]], 2)
        told = [known] if self.windows.shape.known else []
        if self.windows.shape.seasonal:
            told.append(leading[:, self.same_time])
        told.append(self.distances.expand(x.shape[0], -1, -1))
        levels = torch.cat([mean, spread, static], 1)
        nearest = leading[:, -NEAREST:].flatten(1)
        return Seen(past, torch.cat(told, 2), levels, nearest, centre, size)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the mean pinball loss of what it gave, for y (n, horizon), standardised."""
        return pinball(outputs, y, self.levels)


def outward(numbers: Tensor, median: int) -> Tensor:
    """Return the same (…, quantile), none nearer the median than the one before it."""
    below = numbers[..., : median + 1].flip(-1).cummin(-1).values.flip(-1)
    above = numbers[..., median:].cummax(-1).values
    return torch.cat([below, above[..., 1:]], -1)


def pinball(outputs: Tensor, y: Tensor, quantiles: list[float]) -> Tensor:
    """Return the mean pinball loss over rows, steps and quantiles (Koenker & Bassett 1978).

    outputs: (n, horizon x quantile); y: (n, horizon).
    """
    levels = torch.tensor(quantiles, device=y.device)
    missed = y[:, :, None] - outputs.float().reshape(*y.shape, len(quantiles))
    return torch.maximum(levels * missed, (levels - 1) * missed).mean()


def remembering(layer: nn.LSTM) -> nn.LSTM:
    """Return an LSTM that begins by remembering: the bias of its forget gates is 1 in all.

    Jozefowicz et al. 2015 ("An empirical exploration of recurrent network architectures").
    """
    width = layer.hidden_size
    for name, weight in layer.named_parameters():
        if name.startswith("bias_ih"):
            nn.init.constant_(weight[width : 2 * width].detach(), 1.0)
        elif name.startswith("bias_hh"):
            nn.init.zeros_(weight)
        else:
            nn.init.uniform_(weight, -1 / math.sqrt(width), 1 / math.sqrt(width))
    return layer
