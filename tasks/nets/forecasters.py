"""Builds the networks that forecast; `tasks.nets.export_forecasters` writes them as ONNX."""

from typing import Any

import numpy as np

from tasks.nets.scaling import Scaling


def build(
    X: np.ndarray | None, kind: str, shape: dict[str, int], ends: dict[str, Any], **body: Any
) -> Any:
    """Return a `Forecaster` of a kind: `lstm`, `tcn` or `tft`.

    Args:
        X: (n, feature) float32, the training rows: its channels are standardised by them. None:
            a network that weights will be loaded into.
        kind: of the body.
        shape: the fields of `windows.Shape`.
        ends: `quantiles`, `relative`, and `scaling`, as JSON has it, of the target.
        body: what the body is made of: `width`, `dropout`, and `depth`, `kernel` or `heads`.
    """
    from tasks.nets.windows import Forecaster, Shape, Windows

    form, scaling = Shape(**shape), Scaling(**ends["scaling"])
    past, known = _standardised(X, form, scaling)
    windows = Windows(form, scaling.unit, past, known)
    inner = BODIES[kind](form, len(ends["quantiles"]), **body)
    return Forecaster(windows, inner, list(ends["quantiles"]), ends["relative"])


def _standardised(X: np.ndarray | None, shape: Any, scaling: Scaling) -> tuple[Any, Any]:
    """Return the layers that standardise the past's channels and what is known ahead."""
    if X is None:
        X = np.zeros((2, shape.features), np.float32)
    split = shape.context * shape.channels
    past = X[:, :split].reshape(-1, shape.channels)
    known = X[:, split:].reshape(-1, shape.known)
    mean, spread = past.mean(0, dtype=np.float64), past.std(0, dtype=np.float64)
    mean[0], spread[0] = scaling.offset, scaling.scale
    ahead = (known.mean(0, dtype=np.float64), known.std(0, dtype=np.float64))
    return _layer(mean, spread), _layer(*ahead)


def _layer(mean: np.ndarray, spread: np.ndarray) -> Any:
    import torch

    from tasks.nets.layers import Standardise

    return Standardise(*(torch.tensor(a, dtype=torch.float32) for a in (mean, spread)))


def _lstm(shape: Any, quantiles: int, width: int, depth: int, dropout: float) -> Any:
    from tasks.nets.recurrent import EncoderDecoder, Recurrent

    encoder = Recurrent(shape.channels, width, depth, dropout)
    return EncoderDecoder(encoder, shape, width, quantiles, dropout)


def _tcn(shape: Any, quantiles: int, width: int, kernel: int, dropout: float) -> Any:
    from tasks.nets.recurrent import Convolutions, EncoderDecoder

    encoder = Convolutions(shape, width, kernel, dropout)
    return EncoderDecoder(encoder, shape, width, quantiles, dropout)


def _tft(shape: Any, quantiles: int, width: int, heads: int, dropout: float) -> Any:
    from tasks.nets.fusion import Fusion

    return Fusion(shape, width, heads, dropout, quantiles)


BODIES = {"lstm": _lstm, "tcn": _tcn, "tft": _tft}
