"""The loop that fits a network: schedule, early stopping, mixed precision on a GPU, checkpoints.

A fit that was killed and goes on from its checkpoint ends with the same bits as one that was not.
After an out-of-memory a batch is worked on in pieces whose gradients are added up: the same step,
but for rounding, for the draws of dropout, and for batch normalisation, which sees a piece alone.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tasks.core import progress
from tasks.core.errors import ParamsError
from tasks.core.fitting import FitContext
from tasks.nets import checkpoint
from tasks.nets.optimizer import AdamW

CHECKPOINT_EVERY_S = 1.0
EVALUATION_ROWS = 4096  # at once, unless the network says how many


@dataclass(frozen=True)
class Settings:
    """How long, how fast, in what steps."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int
    warm_up: float = 0.1
    label_smoothing: float = 0.0


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


def fit(
    network: Any,
    train: tuple[np.ndarray, np.ndarray],
    stop: tuple[np.ndarray, np.ndarray],
    settings: Settings,
    context: FitContext,
    hooks: Hooks | None = None,
) -> History:
    """Fit the network in place, and leave it with the weights of the best epoch.

    Call it inside `determinism.reproducible`. AdamW, linear warm-up then a cosine to 0.

    Args:
        network: a torch.nn.Module: (n, feature) -> (n, output) logits, or standardised values.
        train, stop: X (n, feature) float32 and y: (n,) int64 classes, or (n, output) float32, or
            what `hooks.loss` takes. The best epoch is that of the least loss on `stop`; the last
            one where `stop` has no rows.
        settings: how long, how fast.
        context: seed, device, pieces of a batch, and the folder of the checkpoint.
        hooks: what is done otherwise than usual.

    Raises:
        ParamsError: the loss was never finite.
    """
    import torch

    device = torch.device(context.device)
    network.to(device)
    tensors = [torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in (*train, *stop)]
    X, y, X_stop, y_stop = tensors
    optimizer = AdamW(network, settings.weight_decay)
    generator = torch.Generator().manual_seed(context.seed)
    run = _Run(network, optimizer, _precision(device), generator, hooks or Hooks())
    if context.checkpoint:
        run.restore(context.checkpoint)
    saved = time.monotonic()
    while run.epoch < settings.epochs and run.epoch - run.history.best_epoch < settings.patience:
        train_loss = _epoch(run, X, y, settings, context.pieces)
        run.epoch += 1
        run.record("train loss", train_loss)
        loss = train_loss
        if len(X_stop):
            loss, accuracy = _evaluate(run, X_stop, y_stop, context.pieces)
            run.record("stop loss", loss)
            if accuracy is not None:
                run.record("stop accuracy", accuracy)
        if loss < run.history.best_loss or (not len(X_stop) and math.isfinite(loss)):
            run.keep(loss)
        if context.checkpoint and time.monotonic() - saved > CHECKPOINT_EVERY_S:
            run.save(context.checkpoint)
            saved = time.monotonic()
        progress.report(
            run.epoch / settings.epochs, f"epoch {run.epoch} of {settings.epochs}, loss {loss:.4f}"
        )
    if not run.best:
        raise ParamsError(
            f"the loss was not a finite number in any of {run.epoch} epochs: lower learning_rate "
            f"(found {settings.learning_rate:g})"
        )
    optimizer.release()
    network.load_state_dict(run.best)
    network.eval().to("cpu")
    return run.history


def rate(step: int, steps: int, warm_up: float) -> float:
    """Return the learning rate's factor at a step: a linear rise, then half a cosine to 0."""
    rise = max(1, round(steps * warm_up))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def loss_of(outputs: Any, y: Any, label_smoothing: float = 0.0) -> Any:
    """Return the mean cross-entropy of logits, or the mean squared error of values."""
    from torch.nn import functional

    if y.dtype.is_floating_point:
        return functional.mse_loss(outputs.float(), y)
    return functional.cross_entropy(outputs.float(), y, label_smoothing=label_smoothing)


def outputs_of(network: Any, X: np.ndarray) -> np.ndarray:
    """Return the network's outputs in evaluation mode, (n, output) float64."""
    import torch

    network.eval()
    rows = torch.from_numpy(np.ascontiguousarray(X, np.float32))
    with torch.inference_mode():
        parts = [network(part) for part in rows.split(rows_at_once(network))]
    return torch.cat(parts).double().numpy()


def rows_at_once(network: Any) -> int:
    """Return how many rows are evaluated at once: what the network says, where it needs much."""
    return getattr(network, "rows_at_once", EVALUATION_ROWS)


def _epoch(run: "_Run", X: Any, y: Any, settings: Settings, pieces: int) -> float:
    import torch

    hooks = run.hooks
    run.network.train()
    steps = math.ceil(len(X) / settings.batch_size)
    order = torch.randperm(len(X), generator=run.generator).to(X.device)
    total = torch.zeros((), device=X.device)
    for step in range(steps):
        rows = order[step * settings.batch_size : (step + 1) * settings.batch_size]
        if len(rows) == 1 and steps > 1:  # batch normalisation needs two
            continue
        factor = rate(run.epoch * steps + step, settings.epochs * steps, settings.warm_up)
        run.optimizer.rate = settings.learning_rate * factor
        batch = X[rows]
        if hooks.augment:
            batch = hooks.augment(batch, run.generator)
        run.optimizer.zero_grad()
        loss = _add_gradients(run, batch, y[rows], pieces, settings.label_smoothing)
        run.precision.scaler.step(run.optimizer)
        run.precision.scaler.update()
        if hooks.after_step:
            hooks.after_step()
        total += loss * len(rows)
    return float(total / len(X))


def _add_gradients(run: "_Run", X: Any, y: Any, pieces: int, label_smoothing: float) -> Any:
    """Return the mean loss of a batch, with its gradients added to the weights' piece by piece.

    A piece counts by its share of the rows, so that the sum is the gradient of the batch's mean.
    """
    import torch

    loss = torch.zeros((), device=X.device)
    pieces = max(1, min(pieces, len(X) // 2))  # batch normalisation needs two rows
    for part, targets in zip(X.tensor_split(pieces), y.tensor_split(pieces), strict=True):
        with run.precision.autocast():
            outputs = run.network(part)
        if run.hooks.objective:
            mean = run.hooks.objective(part, outputs, targets)
        elif run.hooks.loss:
            mean = run.hooks.loss(outputs, targets)
        else:
            mean = loss_of(outputs, targets, label_smoothing)
        share = mean * (len(part) / len(X))
        run.precision.scaler.scale(share).backward()
        loss += share.detach()
    return loss


def _evaluate(run: "_Run", X: Any, y: Any, pieces: int) -> tuple[float, float | None]:
    import torch

    network = run.network.eval()
    with torch.inference_mode():
        at_once = max(1, rows_at_once(network) // pieces)
        outputs = torch.cat([network(part) for part in X.split(at_once)])
        loss = float((run.hooks.loss or loss_of)(outputs, y))
        if y.dtype.is_floating_point:
            return loss, None
        return loss, float((outputs.argmax(1) == y).float().mean())


@dataclass(frozen=True)
class _Precision:
    """Mixed precision on a GPU: bfloat16, or float16 with a loss scaler where there is none."""

    autocast: Callable[[], Any]
    scaler: Any


def _precision(device: Any) -> _Precision:
    import torch

    on = device.type == "cuda"
    half = torch.bfloat16 if on and torch.cuda.is_bf16_supported() else torch.float16
    scaler = torch.amp.GradScaler(device.type, enabled=on and half == torch.float16)
    return _Precision(lambda: torch.autocast(device.type, half, enabled=on), scaler)


class _Run:
    """The state of a fit, which a checkpoint holds whole."""

    def __init__(
        self,
        network: Any,
        optimizer: AdamW,
        precision: _Precision,
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
