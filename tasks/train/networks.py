"""What the network plugins share: a fitted network with its target's scale, saved and loaded."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tasks.core.errors import EngineUnavailable
from tasks.core.fitting import FitContext, FitData
from tasks.nets import determinism, export, fitting
from tasks.nets.state import Hooks
from tasks.nets.tuning import Tuning
from tasks.train import arrays, gpu

PROBES = 32  # outputs whose gradients are taken


@dataclass(frozen=True)
class Network:
    """A fitted torch.nn.Sequential, and what its outputs mean.

    offset, scale: mean and spread of the target it was fitted on; build: what `rebuild` needs to
    make the empty network again; shares: (feature,) importances.
    """

    task: str
    module: Any
    features: int
    offset: float
    scale: float
    build: dict[str, Any]
    curves: dict[str, list[float]]
    shares: np.ndarray
    facts: dict[str, Any]


def fit(
    data: FitData,
    context: FitContext,
    settings: fitting.Settings,
    make: Callable[[], Any],
    build: dict[str, Any],
    hooks: Hooks | None = None,
) -> Network:
    """Return the fitted network that `make` builds.

    Raises:
        EngineUnavailable: the device is `cuda`, and this torch has none.
    """
    if context.device == "cuda" and (reason := gpu_missing()):
        raise EngineUnavailable(f"device cuda: {reason}, or set `device: cpu`")
    offset, scale = 0.0, 1.0
    if data.task == "regression":
        offset, scale = float(data.y.mean()), float(data.y.std()) or 1.0
    with determinism.reproducible(context.seed, context.threads, context.device):
        module = make()
        train, stop = _parts(data, offset, scale)
        history = fitting.fit(module, train, stop, settings, context, hooks)
        shares = _shares(module, data.X_stop if len(data.X_stop) else data.X[:512])
    weights = sum(p.numel() for p in module.parameters())
    facts = {
        "estimator": f"torch on {context.device}",
        "best_round": history.best_epoch,
        "rounds_run": len(history.curves["train loss"]),
        "weights": weights,
    } | _in_pieces(module, context.pieces)
    return Network(
        data.task, module, data.X.shape[1], offset, scale, build, history.curves, shares, facts
    )


def _parts(data: FitData, offset: float, scale: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return X and y of the rows fitted on, then of those kept back, for `fitting.fit`."""
    targets = [data.y, data.y_stop]
    if data.task == "regression":
        targets = [((y - offset) / scale).astype(np.float32)[:, None] for y in targets]
    return list(zip((data.X, data.X_stop), targets, strict=True))


def tune(
    model: Network,
    data: FitData,
    context: FitContext,
    settings: fitting.Settings,
    hooks: Hooks,
    tuning: Tuning,
) -> Network:
    """Return the model with its network fitted further; the model that was given stays as it is.

    `settings`, `hooks`: those of its own fit, which `tuning` changes.
    """
    module = copy.deepcopy(model.module)
    settings, hooks = tuning.settings(settings), tuning.hooks(hooks, module)
    with determinism.reproducible(context.seed, context.threads, context.device):
        train, stop = _parts(data, model.offset, model.scale)
        fitting.fit(module, train, stop, settings, context, hooks)
    return replace(model, module=module)


def _in_pieces(module: Any, pieces: int) -> dict[str, Any]:
    """Return the facts of a fit whose batches were worked on in pieces; none of a usual one."""
    if pieces == 1:
        return {}
    facts: dict[str, Any] = {"pieces": pieces}
    if any("running_mean" in name for name, _ in module.named_buffers()):
        facts["pieces_note"] = "batch normalisation saw each piece of a batch by itself"
    return facts


def _shares(module: Any, X: np.ndarray) -> np.ndarray:
    """Return mean |d output / d feature| x the feature's spread, as shares; (feature,).

    Of many outputs (those of a forecast), PROBES that lie evenly; likewise of more rows than the
    network takes at once.
    """
    import torch

    X = X[:: -(-len(X) // fitting.rows_at_once(module))]
    rows = torch.from_numpy(np.ascontiguousarray(X)).requires_grad_(True)
    outputs = module(rows)
    steepness = torch.zeros(X.shape[1], dtype=torch.float64)
    width = outputs.shape[1]
    for k in np.linspace(0, width - 1, min(width, PROBES)).astype(int):
        [gradient] = torch.autograd.grad(outputs[:, k].sum(), rows, retain_graph=True)
        steepness += gradient.abs().double().mean(0)
    sizes = steepness.numpy() * X.std(0, dtype=np.float64)
    return sizes / sizes.sum() if sizes.sum() > 0 else np.full(len(sizes), 1 / len(sizes))


def gpu_missing() -> str | None:
    """Return None where torch can use the GPU, else what to do about it."""
    import torch

    if torch.cuda.is_available():
        return None
    return f"torch {torch.__version__} finds no CUDA device; {gpu.INSTALL}"


def predict(model: Network, X: np.ndarray) -> np.ndarray:
    """Return (n,) values or (n, k) probabilities, float64."""
    outputs = fitting.outputs_of(model.module, X)
    if model.task == "regression":
        return outputs[:, 0] * model.scale + model.offset
    powers = np.exp(outputs - outputs.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def save(model: Network, folder: Path) -> None:
    """Write `model.safetensors` and `model.json`."""
    state = {f"network.{k}": v.numpy() for k, v in model.module.state_dict().items()}
    facts = {
        name: getattr(model, name)
        for name in ("task", "features", "offset", "scale", "build", "curves", "facts")
    }
    arrays.save(folder, {**state, "shares": model.shares}, facts)


def load(folder: Path, rebuild: Callable[..., Any]) -> Network:
    """Return the saved model; `rebuild(**build)` makes the empty network, as it was before it was
    compressed.
    """
    import torch

    from tasks.nets import shapes

    numbers, facts = arrays.load(folder)
    shares = numbers.pop("shares")
    module = rebuild(**facts["build"])
    state = {k.removeprefix("network."): torch.from_numpy(v) for k, v in numbers.items()}
    shapes.follow(module, state)
    module.load_state_dict(state)
    module.eval()
    return Network(module=module, shares=shares, **facts)


def to_onnx(model: Network) -> Any:
    """Return the network with its softmax, or with its output in the target's own unit."""
    return export.to_onnx(model.module, model.features, model.task, model.offset, model.scale)


def torch_module(model: Network) -> Any:
    """Return a torch.nn.Module from X to what `to_onnx`'s graph gives, in evaluation mode."""
    from torch import nn

    from tasks.nets.layers import Scale

    last = nn.Softmax(1) if model.task == "classification" else Scale(model.scale, model.offset)
    return nn.Sequential(model.module, last).eval()
