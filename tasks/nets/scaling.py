"""The scale on which a forecaster works: the target's, or its logarithm's, mean 0 and spread 1."""

from dataclasses import dataclass

import numpy as np

UNIT = 0.1  # of the median size: below it a logarithm is about even, above it steps are ratios


@dataclass(frozen=True)
class Scaling:
    """z = (f(y) - offset) / scale; f(y) = sign(y) log(1 + |y| / unit), or y where unit is None."""

    offset: float
    scale: float
    unit: float | None = None

    def down(self, y: np.ndarray) -> np.ndarray:
        """Return z of y, float64."""
        return (_logarithm(y, self.unit) - self.offset) / self.scale

    def up(self, z: np.ndarray) -> np.ndarray:
        """Return y of z, float64."""
        y = z * self.scale + self.offset
        return y if self.unit is None else np.sign(y) * self.unit * np.expm1(np.abs(y))


def fitted(y: np.ndarray, log: bool) -> Scaling:
    """Return the scaling of a target's values in the training rows; of a logarithm if asked."""
    size = float(np.median(np.abs(y[y != 0]))) if (y != 0).any() else 1.0
    unit = UNIT * size if log else None
    values = _logarithm(y, unit)
    return Scaling(float(values.mean()), float(values.std()) or 1.0, unit)


def _logarithm(y: np.ndarray, unit: float | None) -> np.ndarray:
    y = np.asarray(y, np.float64)
    return y if unit is None else np.sign(y) * np.log1p(np.abs(y) / unit)
