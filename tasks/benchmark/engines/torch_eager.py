"""PyTorch in eager mode on prepared rows: what a net costs where nothing was exported.

Not for serving: each operator is dispatched from Python. Without preparation, as `native`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.benchmark.subject import Rows, Subject
from tasks.core.plugins import PluginParams

LIBRARIES = ("torch",)
DEVICE = "any"
NOTE = "without preparation"


class Params(PluginParams):
    """No parameters."""


@dataclass
class TorchEager:
    """A torch module in inference mode; rows are on its device before the timed call."""

    module: Any
    device: str

    def feed(self, rows: Rows) -> Any:
        import torch

        return torch.from_numpy(np.ascontiguousarray(rows.X)).to(self.device)

    def run(self, feed: Any) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self.module(feed).float().cpu().numpy()

    def nodes(self) -> None:
        return None


def available() -> str | None:
    """Return None: torch is always installed."""
    return None


def supports(subject: Subject) -> str | None:
    """Return None for a net as it was fitted."""
    if not hasattr(subject.plugin, "torch_module"):
        return "not a torch net"
    return None if subject.is_original else "a compressed graph: torch cannot run it"


def load(subject: Subject, params: Params, device: str, threads: int) -> TorchEager:
    """Return the net's module on the device."""
    import torch

    torch.set_num_threads(threads)
    module = subject.plugin.torch_module(subject.plugin.load(subject.fitted))
    return TorchEager(module.eval().to(device), device)
