"""Builds the networks that forecast; `tasks.nets.export_forecasters` writes them as ONNX."""

from typing import Any

import numpy as np

from tasks.nets.scaling import Scaling


def build(
    X: np.ndarray | None, kind: str, shape: dict[str, Any], ends: dict[str, Any], **body: Any
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
    unit = scaling.unit if form.own_past else None
    windows = Windows(form, unit, _standardised(X, form, scaling))
    inner = BODIES[kind](form, len(ends["quantiles"]), **body)
    return Forecaster(windows, inner, list(ends["quantiles"]), ends["relative"])


def _standardised(X: np.ndarray | None, shape: Any, scaling: Scaling) -> list[Any]:
    """Return the layers that standardise the past's channels, what is known ahead, and static."""
    if X is None:
        X = np.zeros((2, shape.features), np.float32)
    last = shape.features - shape.static
    past = X[:, : shape.past_size].reshape(-1, shape.channels)
    known = X[:, shape.past_size : last].reshape(len(X) * shape.horizon, shape.known)
    moments = [
        (p.mean(0, dtype=np.float64), p.std(0, dtype=np.float64))
        for p in (past, known, X[:, last:])
    ]
    if shape.own_past:
        moments[0][0][0], moments[0][1][0] = scaling.offset, scaling.scale
    return [_layer(*pair) for pair in moments]


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
