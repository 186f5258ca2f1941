"""AdamW on all weights at once (Loshchilov & Hutter 2019, arXiv 1711.05101).

The weights lie in one flat tensor, so that a step is a dozen operations whatever the network. Not
torch.optim, whose first use in a process imports torch._dynamo: 2-5 s, more than a small fit.
"""

from typing import Any

BETAS = (0.9, 0.999)
TINY = 1e-8
ALIGNED = 16  # floats: each weight starts on a cache line


class AdamW:
    """Moves a network's weights; `param_groups` is what torch.amp.GradScaler asks for."""

    def __init__(self, network: Any, weight_decay: float) -> None:
        import torch

        self.parameters = [p for p in network.parameters() if p.requires_grad]
        sizes = [-(-p.numel() // ALIGNED) * ALIGNED for p in self.parameters]
        self.weights = torch.zeros(sum(sizes), device=self.parameters[0].device)
        self.gradient, self.mean, self.square = (torch.zeros_like(self.weights) for _ in range(3))
        self.weight_decay = weight_decay
        self.steps = 0
        self.rate = 0.0
        self.param_groups = [{"params": self.parameters}]
        begin = 0
        for parameter, size in zip(self.parameters, sizes, strict=True):
            place = slice(begin, begin + parameter.numel())
            self.weights[place] = parameter.detach().reshape(-1)
            parameter.data = self.weights[place].view_as(parameter)
            parameter.grad = self.gradient[place].view_as(parameter)
            begin += size

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self.gradient.zero_()

    def step(self) -> None:
        """Take one step at the current `rate`."""
        self.steps += 1
        first, second = BETAS
        self.mean.lerp_(self.gradient, 1 - first)
        self.square.mul_(second).addcmul_(self.gradient, self.gradient, value=1 - second)
        spread = (self.square / (1 - second**self.steps)).sqrt_().add_(TINY)
        self.weights.mul_(1 - self.rate * self.weight_decay)
        self.weights.addcdiv_(self.mean, spread, value=-self.rate / (1 - first**self.steps))

    def release(self) -> None:
        """Give each weight its own tensor again."""
        for parameter in self.parameters:
            parameter.data = parameter.data.clone()
            parameter.grad = None
