"""LiteRT files (`.tflite`, extra `keras`): run here by a technique and by an engine."""

from importlib.util import find_spec
from typing import Any

import numpy as np

from tasks.core import extras

FILE = "model.tflite"
BATCH_ROWS = 1024


def missing(*packages: str) -> str | None:
    """Return None where these packages (importable names) are here, else how to install them."""
    absent = [name for name in packages if not find_spec(name)]
    return f"no package {', '.join(absent)}: {extras.install('keras')}" if absent else None


class Running:
    """A file ready to run: X (n, feature) float32 -> prediction (n, width) float32.

    An interpreter is laid out for one number of rows, so each number gets one of its own.
    """

    def __init__(self, content: bytes, threads: int) -> None:
        self.content, self.threads = content, threads
        self.interpreters: dict[int, tuple[Any, int, int]] = {}

    def prepare(self, rows: int, features: int) -> None:
        """Lay out memory for a number of rows, where that was not done yet."""
        from ai_edge_litert.interpreter import (  # pyright: ignore[reportMissingImports] - extra
            Interpreter,
        )

        if rows in self.interpreters:
            return
        made = Interpreter(model_content=self.content, num_threads=self.threads)
        first, last = made.get_input_details()[0]["index"], made.get_output_details()[0]["index"]
        made.resize_tensor_input(first, (rows, features))
        made.allocate_tensors()
        self.interpreters[rows] = made, first, last

    def run(self, X: np.ndarray) -> np.ndarray:
        """Return the prediction for as many rows as were prepared for."""
        interpreter, first, last = self.interpreters[len(X)]
        interpreter.set_tensor(first, X)
        interpreter.invoke()
        return interpreter.get_tensor(last)


def outputs(content: bytes, X: np.ndarray) -> np.ndarray:
    """Return a file's prediction for all rows of X (n, feature), in batches."""
    running = Running(content, 1)
    parts = []
    for at in range(0, len(X), BATCH_ROWS):
        rows = np.ascontiguousarray(X[at : at + BATCH_ROWS], np.float32)
        running.prepare(*rows.shape)
        parts.append(running.run(rows))
    return np.concatenate(parts)
