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


def resnet18(
    X: np.ndarray, shape: tuple[int, int, int], outputs: int, width: int, dropout: float
) -> Any:
    """Return ResNet-18 (He et al. 2016, arXiv 1512.03385) as torch.nn.Sequential.

    Arguments as those of `convnet`; `width` 64 is the paper's. Images of less than 64 pixels a side
    keep their size in the first layers, as the paper has it for CIFAR.
    """
    from torch import nn

    layers = [*_begin(X, shape), *_stem(shape, width), _block(width, width, 1)]
    layers.append(_block(width, width, 1))
    for _ in range(3):
        layers += [_block(width, 2 * width, 2), _block(2 * width, 2 * width, 1)]
        width *= 2
    return nn.Sequential(*layers, *_end(width, outputs, dropout))


VGG = {  # convolutions of each stage, Simonyan & Zisserman 2015, table 1, columns D and E
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


def vgg(
    X: np.ndarray,
    shape: tuple[int, int, int],
    outputs: int,
    width: int,
    dropout: float,
    depth: int = 16,
) -> Any:
    """Return VGG (Simonyan & Zisserman 2015, arXiv 1409.1556) as torch.nn.Sequential.

    Arguments as those of `convnet`; `width` 64 is the paper's, `depth` 16 or 19. With batch
    normalisation, and one hidden layer of 8 x width units behind a global mean instead of two of
    4,096: 14.9 million weights at 64 and 32 x 32 pixels. An image of one pixel is not halved.
    """
    from torch import nn

    layers, inputs, side = _begin(X, shape), shape[2], min(shape[:2])
    for stage, count in enumerate(VGG[depth]):
        channels = width * 2 ** min(stage, 3)
        for _ in range(count):
            layers += [*_convolution(inputs, channels), nn.ReLU()]
            inputs = channels
        if side > 1:
            layers.append(nn.MaxPool2d(2))
            side //= 2
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, inputs), nn.ReLU()]
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


MOBILE = (  # times wider inside, channels (of width 32), blocks, stride; Sandler et al., table 2
    *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
    *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
)


def mobilenet_v2(
    X: np.ndarray, shape: tuple[int, int, int], outputs: int, width: int, dropout: float
) -> Any:
    """Return MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381) as torch.nn.Sequential.

    Arguments as those of `convnet`; `width` 32 is the paper's. Images of less than 64 pixels a side
    are halved three times instead of five.
    """
    from torch import nn

    small = min(shape[:2]) < 64
    layers = [*_begin(X, shape), *_convolution(shape[2], width, 1 if small else 2), nn.ReLU6()]
    inputs = width
    for expand, of_32, count, stride in MOBILE:
        channels = _eighth(of_32 * width / 32)
        for i in range(count):
            step = stride if i == 0 and not (small and of_32 == 24) else 1
            layers.append(_inverted(inputs, channels, expand, step))
            inputs = channels
    last = _eighth(1280 * width / 32)
    layers += [*_pointwise(inputs, last), nn.ReLU6()]
    return nn.Sequential(*layers, *_end(last, outputs, dropout))


def _begin(X: np.ndarray, shape: tuple[int, int, int]) -> list[Any]:
    from tasks.nets.layers import Image

    return [_standardise(X, axis=None), Image(shape)]


def _end(features: int, outputs: int, dropout: float) -> list[Any]:
    from torch import nn

    between = [nn.Dropout(dropout)] if dropout else []
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), *between, nn.Linear(features, outputs)]


def _stem(shape: tuple[int, int, int], width: int) -> list[Any]:
    """Return ResNet's first layers: for large images a quarter of the side is left."""
    from torch import nn

    if min(shape[:2]) < 64:
        return [*_convolution(shape[2], width), nn.ReLU()]
    convolution = nn.Conv2d(shape[2], width, 7, stride=2, padding=3, bias=False)
    return [convolution, nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]


def _inverted(inputs: int, outputs: int, expand: int, stride: int) -> Any:
    """Return MobileNetV2's block: wider, a convolution of each channel by itself, narrower."""
    from torch import nn

    from tasks.nets.layers import Inverted

    inner = inputs * expand
    wider = [*_pointwise(inputs, inner), nn.ReLU6()] if expand > 1 else []
    alone = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, groups=inner, bias=False)
    body = nn.Sequential(
        *wider, alone, nn.BatchNorm2d(inner), nn.ReLU6(), *_pointwise(inner, outputs)
    )
    return Inverted(body) if stride == 1 and inputs == outputs else body


def _pointwise(inputs: int, outputs: int) -> list[Any]:
    from torch import nn

    return [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]


def _eighth(channels: float) -> int:
    """Return the nearest multiple of 8, at least 8, and no less than nine tenths."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near


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
