"""Builds the networks: plain `Sequential`s of layers that `tasks.nets.export` can write as ONNX."""

from typing import Any

import numpy as np


def mlp(X: np.ndarray, outputs: int, width: int, depth: int, bins: int, dropout: float) -> Any:
    """Return a multi-layer perceptron as torch.nn.Sequential.

    Args:
        X: (n, feature) float32, the training rows: standardisation and bin edges come from them.
        outputs: number of output values.
        width: units of a hidden layer.
        depth: hidden layers.
        bins: quantile bins a feature for the piecewise linear encoding; 0: none.
        dropout: share of hidden units left out while training.
    """
    import torch
    from torch import nn

    from tasks.nets.layers import PiecewiseLinear

    layers: list[Any] = [_standardise(X, axis=0)]
    features = X.shape[1]
    if bins:
        Z = layers[0](torch.from_numpy(np.ascontiguousarray(X))).numpy()
        edges = np.quantile(Z, np.linspace(0, 1, bins + 1), axis=0).T.astype(np.float32)
        layers.append(PiecewiseLinear(torch.from_numpy(np.ascontiguousarray(edges))))
        features *= 1 + bins
    for _ in range(depth):
        layers += [nn.Linear(features, width), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        features = width
    return nn.Sequential(*layers, nn.Linear(features, outputs))


def convnet(
    X: np.ndarray, shape: tuple[int, int, int], outputs: int, width: int, dropout: float
) -> Any:
    """Return a small residual network for images of 8x8 and more, as torch.nn.Sequential.

    Each stage halves the image and doubles the channels, down to about 4x4. With `width` 32: 76,000
    weights for 8x8x1, 300,000 for 28x28x1.

    Args:
        X: (n, height x width x channel) float32, the training rows.
        shape: (height, width, channel) of one image.
        outputs: number of output values.
        width: channels of the first stage.
        dropout: share of the last features left out while training.
    """
    from torch import nn

    from tasks.nets.layers import Image

    side = min(shape[:2])
    stride = 2 if side >= 64 else 1
    layers: list[Any] = [
        _standardise(X, axis=None),
        Image(shape),
        *_convolution(shape[2], width, stride),
        nn.ReLU(),
        _block(width, width, 1),
    ]
    for _ in range(max(1, min(4, int(np.log2(side / stride / 4))))):
        layers.append(_block(width, 2 * width, 2))
        width *= 2
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def _standardise(X: np.ndarray, axis: int | None) -> Any:
    import torch

    from tasks.nets.layers import Standardise

    mean, spread = X.mean(axis, dtype=np.float64), X.std(axis, dtype=np.float64)
    return Standardise(
        torch.tensor(np.atleast_1d(mean), dtype=torch.float32),
        torch.tensor(np.atleast_1d(spread), dtype=torch.float32),
    )


def _convolution(inputs: int, outputs: int, stride: int = 1) -> list[Any]:
    from torch import nn

    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs)]


def _block(inputs: int, outputs: int, stride: int) -> Any:
    from torch import nn

    from tasks.nets.layers import Residual, Shortcut

    body = nn.Sequential(
        *_convolution(inputs, outputs, stride), nn.ReLU(), *_convolution(outputs, outputs)
    )
    if stride == 1 and inputs == outputs:
        return Residual(body)
    shortcut = nn.Sequential(Shortcut(inputs, outputs, stride), nn.BatchNorm2d(outputs))
    return Residual(body, shortcut)
