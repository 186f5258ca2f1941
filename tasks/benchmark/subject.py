"""What an engine is given: a variant of a model, and rows to run it on."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np

from tasks.core.prepared import Meta

FP32 = "fp32"


class Rows(NamedTuple):
    """The same rows in both forms: the graph's inputs by name, and the matrix X (n, feature)."""

    inputs: dict[str, np.ndarray]
    X: np.ndarray

    def part(self, rows: slice | np.ndarray) -> "Rows":
        """Return some of the rows."""
        return Rows({name: v[rows] for name, v in self.inputs.items()}, self.X[rows])


@dataclass(frozen=True)
class Subject:
    """A variant to measure.

    certificate: its `variant.json`; graph: its file, `model.onnx` but for `convert`'s; plugin: the
    model's plugin module; fitted: the folder it saved to.
    """

    certificate: dict[str, Any]
    graph: Path
    plugin: ModuleType
    fitted: Path
    meta: Meta

    @property
    def name(self) -> str:
        return f"{self.certificate['model']}/{self.certificate['label']}"

    @property
    def is_original(self) -> bool:
        """Return whether it is the uncompressed model: the only one its own library can run."""
        return self.certificate["label"] == FP32

    @property
    def is_trees(self) -> bool:
        return "ai.onnx.ml" in (self.certificate.get("domains") or {})

    @property
    def not_onnx(self) -> str | None:
        """Return None where its file is an ONNX graph, else why an engine for those has none."""
        name = self.graph.name
        return None if self.graph.suffix == ".onnx" else f"no ONNX graph: its file is {name}"

    @property
    def text_inputs(self) -> list[str]:
        return [i.name for i in self.meta.inputs if i.dtype == "string"]


class Session(Protocol):
    """A variant loaded into an engine."""

    def feed(self, rows: Rows) -> Any:
        """Return rows as the engine wants them; not part of what is timed."""
        ...

    def run(self, feed: Any) -> np.ndarray:
        """Return probabilities (n, k) or predictions (n, 1) or (n,), on the host; this is timed."""
        ...

    def nodes(self) -> dict[str, int] | None:
        """Return how many nodes each provider really ran; None where there is one place only."""
        ...
