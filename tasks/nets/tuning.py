"""How a fitted network is fitted further, after it was pruned, say; and how a teacher teaches."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tasks.nets.fitting import Settings, loss_of
from tasks.nets.state import Hooks

Objective = Callable[[Any, Any, Any], Any]  # (X, outputs, y) -> mean loss


@dataclass(frozen=True)
class Tuning:
    """What differs from the fit of the model.

    epochs: how many; rate: share of the model's own learning rate; masks: name of a weight ->
    tensor of 0 and 1, which the weight is multiplied by after each step; objective: instead of the
    usual loss.
    """

    epochs: int
    rate: float
    masks: dict[str, Any] = field(default_factory=dict)
    objective: Objective | None = None

    def settings(self, usual: Settings) -> Settings:
        """Return the settings of the model's own fit, changed."""
        rate = usual.learning_rate * self.rate
        return replace(usual, epochs=self.epochs, patience=self.epochs, learning_rate=rate)

    def hooks(self, usual: Hooks, module: Any) -> Hooks:
        """Return the hooks of the model's own fit, changed, for the network that is fitted."""
        weights = dict(module.named_parameters())
        pairs = [(weights[name], mask) for name, mask in self.masks.items()]

        def hold() -> None:
            for weight, mask in pairs:
                weight.data.mul_(mask.to(weight.device))

        after_step = hold if pairs else None
        return replace(usual, objective=self.objective or usual.objective, after_step=after_step)


def taught_by(teacher: Any, weight: float, temperature: float) -> Objective:
    """Return a loss that is partly the distance from a teacher's outputs.

    Hinton et al. 2015 (arXiv 1503.02531): classes by the KL divergence of softened probabilities,
    times temperature^2, and cross-entropy; numbers by the mean squared error from the teacher, and
    the teacher's own `loss` where it has one.

    Args:
        teacher: a torch.nn.Module in evaluation mode, of the same inputs and outputs.
        weight: the teacher's share in the loss, 0 to 1.
        temperature: that logits are divided by.
    """
    import torch
    from torch.nn import functional

    teacher = copy.deepcopy(teacher)  # it goes where the rows are
    usual = getattr(teacher, "loss", loss_of)

    def objective(X: Any, outputs: Any, y: Any) -> Any:
        with torch.no_grad():
            wanted = teacher.to(X.device)(X)
        if y.dtype.is_floating_point:
            apart = functional.mse_loss(outputs.float(), wanted.float())
        else:
            apart = temperature**2 * functional.kl_div(
                functional.log_softmax(outputs.float() / temperature, 1),
                functional.log_softmax(wanted.float() / temperature, 1),
                reduction="batchmean",
                log_target=True,
            )
        return weight * apart + (1 - weight) * usual(outputs, y)

    return objective
