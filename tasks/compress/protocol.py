"""What a technique is given: the graph it starts from, and the circumstances."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.prepared import Meta

if TYPE_CHECKING:
    import onnx


class NotApplicable(Exception):
    """Raised by a technique that finds out, while it is applied, that it does not fit the graph."""


@dataclass(frozen=True)
class Parent:
    """The graph that a technique is applied to.

    graph: whole (columns -> prediction); plugin: the model's plugin module; fitted: the folder it
    saved to; earlier: the techniques of the recipe already applied, in order.
    """

    graph: "onnx.ModelProto"
    plugin: ModuleType
    fitted: Path
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True)
class Context:
    """The circumstances of a technique.

    draw: gives the `calibration`; export: makes a whole, verified graph of a fitted model object;
    seed: of every random choice.
    """

    meta: Meta
    draw: Callable[[], dict[str, np.ndarray]]
    export: Callable[[Any], "onnx.ModelProto"]
    seed: int = 0

    @cached_property
    def calibration(self) -> dict[str, np.ndarray]:
        """Return the graph's inputs for training rows, by name."""
        return self.draw()
