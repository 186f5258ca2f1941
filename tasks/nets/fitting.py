"""The loop that fits a network: schedule, early stopping, mixed precision on a GPU, checkpoints.

A fit that was killed and goes on from its checkpoint ends with the same bits as one that was not.
After an out-of-memory a batch is worked on in pieces whose gradients are added up: the same step,
but for rounding, for the draws of dropout, and for batch normalisation, which sees a piece alone.
"""

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.core import progress
from tasks.core.errors import ParamsError
from tasks.core.fitting import FitContext
from tasks.nets.optimizer import AdamW
from tasks.nets.state import History, Hooks, Run, precision

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
    run = Run(network, optimizer, precision(device), generator, hooks or Hooks())
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


def _epoch(run: Run, X: Any, y: Any, settings: Settings, pieces: int) -> float:
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


def _add_gradients(run: Run, X: Any, y: Any, pieces: int, label_smoothing: float) -> Any:
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


def _evaluate(run: Run, X: Any, y: Any, pieces: int) -> tuple[float, float | None]:
    import torch

    network = run.network.eval()
    with torch.inference_mode():
        at_once = max(1, rows_at_once(network) // pieces)
        outputs = torch.cat([network(part) for part in X.split(at_once)])
        loss = float((run.hooks.loss or loss_of)(outputs, y))
        if y.dtype.is_floating_point:
            return loss, None
        return loss, float((outputs.argmax(1) == y).float().mean())
