"""Small random shifts, turns and zooms of images, so that a network learns what does not matter."""

from typing import Any

import numpy as np


def affine(
    X: Any,
    shape: tuple[int, int, int],
    generator: Any,
    shift: float,
    turn: float,
    zoom: float,
) -> Any:
    """Return each image moved by its own random affine map, by bilinear interpolation.

    Args:
        X: (n, height x width x channel) float32 tensor.
        shape: (height, width, channel).
        generator: a torch.Generator of the CPU; the same on every device.
        shift: largest shift in pixels.
        turn: largest turn in degrees.
        zoom: largest change of size, as a share.
    """
    import torch
    from torch.nn import functional

    height, width, channels = shape
    n = len(X)
    draw = torch.rand(n, 4, generator=generator) * 2 - 1
    angle = draw[:, 0] * (turn * np.pi / 180)
    size = 1 + draw[:, 1] * zoom
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = torch.cos(angle) * size
    theta[:, 0, 1] = -torch.sin(angle) * size
    theta[:, 1, 0] = torch.sin(angle) * size
    theta[:, 0, 2] = draw[:, 2] * (2 * shift / width)
    theta[:, 1, 2] = draw[:, 3] * (2 * shift / height)
    images = X.reshape(n, height, width, channels).permute(0, 3, 1, 2)
    grid = functional.affine_grid(
        theta.to(X.device), [n, channels, height, width], align_corners=False
    )
    moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return moved.permute(0, 2, 3, 1).reshape(n, -1)


def mirrored(X: Any, shape: tuple[int, int, int], generator: Any) -> Any:
    """Return the images, about half of them mirrored left to right; arguments as of `affine`."""
    import torch

    images = X.reshape(len(X), *shape)
    chosen = (torch.rand(len(X), generator=generator) < 0.5).to(X.device)
    return torch.where(chosen[:, None, None, None], images.flip(2), images).reshape(len(X), -1)
