"""The Temporal Fusion Transformer: Lim et al. 2021 (arXiv 1912.09363), its layers and the whole.

Imported inside functions only, as torch is. n: rows; everything is float32. Section numbers are
those of the paper.
"""

import math

import torch
from torch import Tensor, nn

from tasks.nets.windows import Shape, remembering

HIDDEN = -1e4  # added to the score of a step that may not be seen: its weight becomes 0


class Gate(nn.Module):
    """norm(x + GLU(dropout(y))): how much of y comes to x is learnt; section 4.1, equation 5."""

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(inputs, 2 * outputs)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, y: Tensor, x: Tensor) -> Tensor:
        return self.norm(x + nn.functional.glu(self.linear(self.dropout(y)), -1))


class GatedResidual(nn.Module):
    """The paper's GRN, section 4.1: (n, …, inputs) -> (n, …, outputs), with a context (n, width).

    The context is the same for all steps of a row.
    """

    def __init__(
        self, inputs: int, width: int, outputs: int, dropout: float, context: bool = False
    ) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, width)
        self.context = nn.Linear(width, width, bias=False) if context else None
        self.second = nn.Linear(width, width)
        self.gate = Gate(width, outputs, dropout)
        self.skip = nn.Identity() if inputs == outputs else nn.Linear(inputs, outputs)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        inner = self.first(x)
        if self.context is not None and context is not None:
            inner = inner + self.context(context)[:, None]
        inner = self.second(nn.functional.elu(inner))
        return self.gate(inner, self.skip(x))


class Variables(nn.Module):
    """Each variable embedded and put through a GRN of its own: (n, time, variable) -> (variable,
    n x time, width); section 4.2, equation 7.

    What is linear in one number stays so: the embedding and the GRN's first layer are one scale and
    shift a unit, and its second layer is one with the gate's. The functions are those of the paper.
    """

    def __init__(self, variables: int, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.embedding = nn.Parameter(torch.empty(2, variables, 1, width))  # scale, shift
        self.first = nn.Parameter(torch.empty(2, variables, 1, width))
        self.kernel = nn.Parameter(torch.empty(variables, width, 2 * width))
        self.kernel_bias = nn.Parameter(torch.zeros(variables, 1, 2 * width))
        self.gain = nn.Parameter(torch.ones(variables, 1, width))
        self.shift = nn.Parameter(torch.zeros(variables, 1, width))
        for weight in (self.embedding, self.first):
            nn.init.uniform_(weight, -1, 1)
        nn.init.uniform_(self.kernel, -1 / math.sqrt(width), 1 / math.sqrt(width))

    def forward(self, x: Tensor) -> Tensor:
        numbers = x.permute(2, 0, 1).reshape(x.shape[2], -1, 1)
        inner = self.dropout(nn.functional.elu(numbers * self.first[0] + self.first[1]))
        gated = nn.functional.glu(torch.baddbmm(self.kernel_bias, inner, self.kernel), -1)
        added = numbers * self.embedding[0] + self.embedding[1] + gated
        normed = nn.functional.layer_norm(added, added.shape[-1:])
        return normed * self.gain + self.shift


class Selection(nn.Module):
    """How much of each variable counts, step by step: (n, time, variable) -> (n, time, width).

    Section 4.2. The flattened embeddings of numbers are linear in them, so the GRN that gives the
    weights takes the numbers.
    """

    def __init__(self, variables: int, width: int, dropout: float, context: bool = True) -> None:
        super().__init__()
        self.chooser = GatedResidual(variables, width, variables, dropout, context)
        self.variables = Variables(variables, width, dropout)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        weights = self.weights(x, context)
        chosen = self.variables(x) * weights.permute(2, 0, 1).reshape(x.shape[2], -1, 1)
        return chosen.sum(0).reshape(x.shape[0], x.shape[1], -1)

    def weights(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Return the share of each variable, (n, time, variable)."""
        return torch.softmax(self.chooser(x, context), -1)


class Attention(nn.Module):
    """Interpretable multi-head attention, section 4.4: the heads share their values.

    steps (n, time, width) -> (n, ahead, width) for the last `ahead` of them, none of which sees a
    later one.
    """

    mask: Tensor

    def __init__(self, context: int, ahead: int, width: int, heads: int) -> None:
        super().__init__()
        self.ahead, self.heads, self.each = ahead, heads, width // heads
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value = nn.Linear(width, self.each)
        self.out = nn.Linear(self.each, width)
        later = torch.ones(ahead, context + ahead).triu(context + 1)
        self.register_buffer("mask", HIDDEN * later, persistent=False)

    def forward(self, steps: Tensor) -> Tensor:
        seen = self.weights(steps) @ self.value(steps)[:, None]  # (n, head, ahead, each)
        return self.out(seen.mean(1))

    def weights(self, steps: Tensor) -> Tensor:
        """Return how much each step ahead looks at each step, (n, head, ahead, time)."""
        n, time, _ = steps.shape
        query = self.query(steps[:, -self.ahead :]).reshape(n, self.ahead, self.heads, self.each)
        key = self.key(steps).reshape(n, time, self.heads, self.each)
        scores = query.transpose(1, 2) @ key.permute(0, 2, 3, 1) / math.sqrt(self.each)
        return torch.softmax(scores + self.mask, -1)


class Fusion(nn.Module):
    """A body of `Forecaster`: the whole of section 4, figure 2.

    The static inputs are the table's, and the mean and spread of the target in the window.
    """

    def __init__(
        self, shape: Shape, width: int, heads: int, dropout: float, quantiles: int
    ) -> None:
        super().__init__()
        self.shape = shape
        self.static = Selection(shape.levels, width, dropout, context=False)
        self.past = Selection(shape.channels, width, dropout)
        self.future = Selection(shape.ahead, width, dropout)
        self.contexts = nn.ModuleList(GatedResidual(width, width, width, dropout) for _ in range(4))
        self.encoder = remembering(nn.LSTM(width, width, batch_first=True))
        self.decoder = remembering(nn.LSTM(width, width, batch_first=True))
        self.local = Gate(width, width, dropout)
        self.enrichment = GatedResidual(width, width, width, dropout, context=True)
        self.attention = Attention(shape.context, shape.horizon, width, heads)
        self.attended = Gate(width, width, dropout)
        self.feed_forward = GatedResidual(width, width, width, dropout)
        self.last = Gate(width, width, 0.0)
        self.quantiles = nn.Linear(width, quantiles)

    def forward(self, past: Tensor, ahead: Tensor, levels: Tensor) -> Tensor:
        local, enriched = self.enriched(past, ahead, levels)
        horizon = self.shape.horizon
        attended = self.attended(self.attention(enriched), enriched[:, -horizon:])
        fed = self.feed_forward(attended)
        return self.quantiles(self.last(fed, local[:, -horizon:]))

    def enriched(self, past: Tensor, ahead: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
        """Return all steps after the LSTMs, and enriched, (n, context + horizon, width) each."""
        choice, enriching, hidden, cell = self.said(levels)
        first, second = self.past(past, choice), self.future(ahead, choice)
        run, state = self.encoder(first, (hidden[None], cell[None]))
        further, _ = self.decoder(second, state)
        local = self.local(torch.cat([run, further], 1), torch.cat([first, second], 1))
        return local, self.enrichment(local, enriching)

    def looks(self, past: Tensor, ahead: Tensor, levels: Tensor) -> dict[str, Tensor]:
        """Return the mean share of each variable, and of attention by distance.

        past, ahead, static: (variable,), sum 1; attention: (context + 1,), of a step that lies so
        many steps before the one foretold, 0 first.
        """
        choice = self.said(levels)[0]
        weights = {
            "past": self.past.weights(past, choice),
            "ahead": self.future.weights(ahead, choice),
            "static": self.static.weights(levels[:, None]),
        }
        found = {name: w.mean((0, 1)) for name, w in weights.items()}
        attention = self.attention.weights(self.enriched(past, ahead, levels)[1]).mean((0, 1))
        context = self.shape.context
        found["attention"] = torch.stack(
            [attention.diagonal(context - lag).mean() for lag in range(context + 1)]
        )
        return found

    def said(self, levels: Tensor) -> list[Tensor]:
        """Return the four static contexts, (n, width) each; section 4.3."""
        static = self.static(levels[:, None])[:, 0]
        return [context(static) for context in self.contexts]
