"""The state of a fit, which a checkpoint holds whole: killed, a fit ends with the same bits."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.nets import checkpoint
from tasks.nets.optimizer import AdamW


@dataclass(frozen=True)
class Hooks:
    """What a fit does otherwise than usual.

    augment: (X of a batch, torch.Generator) -> X; loss: (outputs, y) -> mean loss, instead of
    `loss_of`, on the rows for early stopping too; objective: (X, outputs, y) -> mean loss that is
    fitted by, instead of either; after_step: what follows each step of the optimizer.
    """

    augment: Callable[[Any, Any], Any] | None = None
    loss: Callable[[Any, Any], Any] | None = None
    objective: Callable[[Any, Any, Any], Any] | None = None
    after_step: Callable[[], None] | None = None


@dataclass
class History:
    """Loss (and accuracy) by epoch, and the epoch (from 1) whose weights the network has now."""

    curves: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int = 0
    best_loss: float = math.inf


@dataclass(frozen=True)
class Precision:
    """Mixed precision on a GPU: bfloat16, or float16 with a loss scaler where there is none."""

    autocast: Callable[[], Any]
    scaler: Any


def precision(device: Any) -> Precision:
    import torch

    on = device.type == "cuda"
    half = torch.bfloat16 if on and torch.cuda.is_bf16_supported() else torch.float16
    scaler = torch.amp.GradScaler(device.type, enabled=on and half == torch.float16)
    return Precision(lambda: torch.autocast(device.type, half, enabled=on), scaler)


class Run:
    """The state of a fit, which a checkpoint holds whole."""

    def __init__(
        self,
        network: Any,
        optimizer: AdamW,
        precision: Precision,
        generator: Any,
        hooks: Hooks,
    ) -> None:
        self.network = network
        self.optimizer = optimizer
        self.precision = precision
        self.generator = generator
        self.hooks = hooks
        self.epoch = 0
        self.history = History()
        self.best: dict[str, Any] = {}

    def record(self, name: str, value: float) -> None:
        self.history.curves.setdefault(name, []).append(value)

    def keep(self, loss: float) -> None:
        self.history.best_epoch, self.history.best_loss = self.epoch, loss
        self.best = {k: v.detach().clone() for k, v in self.network.state_dict().items()}

    def save(self, folder: Path) -> None:
        """Write the checkpoint, whole or not at all."""
        import torch

        tensors = {f"network {k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"best {k}": v for k, v in self.best.items()}
        tensors |= {
            "optimizer mean": self.optimizer.mean,
            "optimizer square": self.optimizer.square,
        }
        tensors["generator"] = self.generator.get_state()
        tensors["global generator"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["cuda generator"] = torch.cuda.get_rng_state()
        facts = {
            "epoch": self.epoch,
            "curves": self.history.curves,
            "best_epoch": self.history.best_epoch,
            "best_loss": self.history.best_loss,
            "steps": self.optimizer.steps,
            "scaler": self.precision.scaler.state_dict(),
        }
        checkpoint.save(folder, tensors, facts)

    def restore(self, folder: Path) -> None:
        """Go on from the folder's checkpoint, where there is one that is as it was written."""
        import torch

        found = checkpoint.load(folder)
        if found is None:
            return
        tensors, facts = found
        groups: dict[str, dict[str, Any]] = {}
        for key, tensor in tensors.items():
            group, _, name = key.partition(" ")
            groups.setdefault(group, {})[name] = tensor
        self.network.load_state_dict(groups["network"])
        self.best = groups["best"]
        self.optimizer.mean.copy_(groups["optimizer"]["mean"])
        self.optimizer.square.copy_(groups["optimizer"]["square"])
        self.optimizer.steps = facts["steps"]
        self.generator.set_state(groups["generator"][""])
        torch.set_rng_state(groups["global"]["generator"])
        if "cuda" in groups:
            torch.cuda.set_rng_state(groups["cuda"]["generator"])
        self.precision.scaler.load_state_dict(facts["scaler"])
        self.epoch = facts["epoch"]
        self.history = History(facts["curves"], facts["best_epoch"], facts["best_loss"])
