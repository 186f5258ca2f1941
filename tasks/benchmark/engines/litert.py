"""LiteRT on the CPU, by XNNPACK where it has the operator: what phones and small boards run.

It starts from the matrix X: the preparation is not in its latency. Not for ONNX graphs: it runs
what the technique `litert` made.
"""

from dataclasses import dataclass

import numpy as np

from tasks.benchmark.subject import Rows, Subject
from tasks.core import litert
from tasks.core.plugins import PluginParams

LIBRARIES = ("ai-edge-litert",)
DEVICE = "any"
NOTE = "without preparation"


class Params(PluginParams):
    """No parameters."""


@dataclass
class LiteRt:
    """A LiteRT file, laid out for each number of rows before the timed call."""

    running: litert.Running

    def feed(self, rows: Rows) -> np.ndarray:
        X = np.ascontiguousarray(rows.X, np.float32)
        self.running.prepare(*X.shape)
        return X

    def run(self, feed: np.ndarray) -> np.ndarray:
        return self.running.run(feed)

    def nodes(self) -> None:
        return None


def available() -> str | None:
    """Return None, or how to install it."""
    return litert.missing("ai_edge_litert")


def supports(subject: Subject) -> str | None:
    """Return None for a LiteRT file."""
    if subject.graph.suffix == ".tflite":
        return None
    return "an ONNX graph: LiteRT runs its own files alone (technique `litert`)"


def load(subject: Subject, params: Params, device: str, threads: int) -> LiteRt:
    """Return the file, ready to run."""
    return LiteRt(litert.Running(subject.graph.read_bytes(), threads))
