"""An LSTM and a temporal convolutional network that sum up a past, and what foretells from a sum.

Imported inside functions only, as torch is. n: rows; everything is float32.
"""

import torch
from torch import Tensor, nn

from tasks.nets.windows import Shape, remembering


class Recurrent(nn.Module):
    """An LSTM's last state: (n, context, channel) -> (n, width); Hochreiter & Schmidhuber 1997."""

    def __init__(self, channels: int, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        between = dropout if depth > 1 else 0.0
        cells = nn.LSTM(channels, width, depth, batch_first=True, dropout=between)
        self.cells = remembering(cells)

    def forward(self, past: Tensor) -> Tensor:
        return self.cells(past)[1][0][-1]


class Causal(nn.Conv1d):
    """A convolution that sees no later step: (n, channel, time) -> the same length."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(nn.functional.pad(input, (self.kernel_size[0] - 1, 0)))


class Block(nn.Module):
    """relu(x + two causal convolutions of x); Bai et al. 2018 (arXiv 1803.01271), figure 1.

    Without weight normalisation: of no use to so few layers, and nothing to fold at export.
    """

    def __init__(self, inputs: int, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            Causal(inputs, width, kernel),
            nn.ReLU(),
            nn.Dropout(dropout),
            Causal(width, width, kernel),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.shortcut = nn.Identity() if inputs == width else nn.Conv1d(inputs, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class EverySecond(nn.Module):
    """Every second step of `time`, the last one among them: (n, channel, time)."""

    def __init__(self, time: int) -> None:
        super().__init__()
        self.first = (time - 1) % 2

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, self.first :: 2]


class Convolutions(nn.Module):
    """The last step of a temporal convolutional network: (n, context, channel) -> (n, width).

    Each block's dilation is twice that of the one before, until the last step sees the whole past.
    Steps that the last one does not see are not computed: between blocks every second goes, and
    what was a dilation of 2, 4, … is one of 1. The same numbers for a third of the work.
    """

    def __init__(self, shape: Shape, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = [Block(shape.channels, width, kernel, dropout)]
        sees, dilation, time = 1 + 2 * (kernel - 1), 1, shape.context
        while sees < shape.context:
            layers += [EverySecond(time), Block(width, width, kernel, dropout)]
            dilation, time = 2 * dilation, (time + 1) // 2
            sees += 2 * (kernel - 1) * dilation
        self.layers = nn.Sequential(*layers)

    def forward(self, past: Tensor) -> Tensor:
        return self.layers(past.transpose(1, 2))[:, :, -1]


class Decoder(nn.Module):
    """The same small network for each step ahead: from the sum of the past, and what is told.

    Wen et al. 2017 (arXiv 1711.11053), section 3.2, but with one linear layer of the sum for all
    steps. summary (n, width + levels), ahead (n, horizon, ahead) -> (n, horizon, quantile).
    """

    def __init__(self, inputs: int, ahead: int, width: int, quantiles: int, dropout: float) -> None:
        super().__init__()
        self.summary = nn.Linear(inputs, width)
        self.step = nn.Linear(ahead, width)
        self.rest = nn.Sequential(
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, quantiles),
        )

    def forward(self, summary: Tensor, ahead: Tensor) -> Tensor:
        return self.rest(self.summary(summary)[:, None] + self.step(ahead))


class EncoderDecoder(nn.Module):
    """A body of `Forecaster`: the past summed up, and each step foretold from the sum."""

    def __init__(
        self, encoder: nn.Module, shape: Shape, width: int, quantiles: int, dropout: float
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = Decoder(width + shape.levels, shape.ahead, 2 * width, quantiles, dropout)

    def forward(self, past: Tensor, ahead: Tensor, levels: Tensor) -> Tensor:
        return self.decoder(torch.cat([self.encoder(past), levels], 1), ahead)
