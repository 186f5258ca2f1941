"""Small Keras models as files, and tables that they were fitted for; for tests of the extra."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.core import litert
from tasks.core.plugins import Plugin
from tasks.train import keras_file

QUIET = "ignore:__array__ implementation:DeprecationWarning"  # Keras 3.15 with numpy 2
needs_keras = pytest.mark.skipif(bool(keras_file.missing()), reason=str(keras_file.missing()))
needs_litert = pytest.mark.skipif(
    bool(litert.missing("keras", "tensorflow", "ai_edge_litert")),
    reason=str(litert.missing("keras", "tensorflow", "ai_edge_litert")),
)


def perceptron(path: Path, features: int, outputs: int, last: str | None = "softmax") -> Path:
    """Write an unfitted network with normalisation, batch normalisation and dropout."""
    keras = keras_file.library()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((features,)),
            layers.Normalization(mean=[0.1] * features, variance=[2.0] * features),
            layers.Dense(48, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.1),
            layers.Dense(32, activation="gelu"),
            layers.Dense(outputs, activation=last),
        ]
    )
    model.save(path)
    return path


def convolutional(path: Path, outputs: int = 10) -> Path:
    """Write an unfitted network that lays 64 columns out as an image of 8 x 8."""
    keras = keras_file.library()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((64,)),
            layers.Reshape((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.SeparableConv2D(32, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(outputs),
        ]
    )
    model.save(path)
    return path


def recurrent(path: Path, features: int) -> Path:
    """Write an unfitted network with an LSTM over the features, one a step."""
    keras = keras_file.library()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    shape = (features, 1)
    model = keras.Sequential(
        [layers.Input((features,)), layers.Reshape(shape), layers.LSTM(8), layers.Dense(1)]
    )
    model.save(path)
    return path


def given(path: Path, **params: Any) -> Plugin:
    """Return the model plugin for a file."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    settings = {"path": str(path), "sha256": sha256, **params}
    return Plugin(kind="model", name="given_keras", params=settings)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether predictions are the same but for rounding."""
    return bool(np.allclose(a, b, rtol=1e-4, atol=1e-5))
