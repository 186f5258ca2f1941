"""ONNX Runtime on the CPU: runs every variant, preparation included.

Not for `int8_trt` graphs where speed counts: they are computed in float32.
"""

import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.benchmark.subject import Rows, Subject
from tasks.core.errors import EngineUnavailable
from tasks.core.graph import session_entries
from tasks.core.plugins import PluginParams

LIBRARIES = ("onnxruntime", "onnxruntime-gpu")
DEVICE = "any"
CPU = "CPUExecutionProvider"
Provider = str | tuple[str, dict[str, str]]


class Params(PluginParams):
    """No parameters."""


@dataclass
class OnnxRuntime:
    """An inference session, and which provider ran each node of a profiled call."""

    session: Any
    placed: dict[str, int]

    def __post_init__(self) -> None:
        self.outputs = [self.session.get_outputs()[0].name]
        self.inputs = [i.name for i in self.session.get_inputs()]
        self.call = self.session.run

    def feed(self, rows: Rows) -> dict[str, np.ndarray]:
        return {name: np.ascontiguousarray(rows.inputs[name]) for name in self.inputs}

    def run(self, feed: dict[str, np.ndarray]) -> np.ndarray:
        return self.call(self.outputs, feed)[0]

    def nodes(self) -> dict[str, int]:
        return self.placed


def available() -> str | None:
    """Return None: onnxruntime is always installed."""
    return None


def supports(subject: Subject) -> str | None:
    """Return None for every graph."""
    return subject.not_onnx


def load(subject: Subject, params: Params, device: str, threads: int) -> OnnxRuntime:
    """Return a session on the CPU provider alone."""
    entries = session_entries(subject.certificate.get("dialect"))
    return on_provider(subject, [CPU], threads, 1.0, entries)


def on_provider(
    subject: Subject,
    providers: list[Provider],
    threads: int,
    least_share: float,
    entries: dict[str, str] | None = None,
) -> OnnxRuntime:
    """Return a session whose first provider really runs at least that share of the nodes.

    Raises:
        EngineUnavailable: the provider did not start, or the nodes ran elsewhere.
    """
    wanted = providers[0] if isinstance(providers[0], str) else providers[0][0]
    options = {"threads": threads, "entries": entries or {}}
    made = _session(subject.graph, providers, **options)
    if wanted not in made.get_providers():
        raise EngineUnavailable(
            f"{wanted} did not start, ONNX Runtime fell back to "
            f"{', '.join(made.get_providers())}: its libraries do not load; see `temper doctor`"
        )
    placed = _placed(subject, providers, options)
    share = placed.get(wanted, 0) / max(sum(placed.values()), 1)
    if share < least_share:
        raise EngineUnavailable(
            f"{wanted} ran {placed.get(wanted, 0)} of {sum(placed.values())} nodes, the rest fell "
            f"back to {', '.join(sorted(set(placed) - {wanted}))}: not a figure of {wanted}"
        )
    return OnnxRuntime(made, placed)


def missing(provider: str, how: str) -> str | None:
    """Return why a GPU provider cannot be used here, or None."""
    import onnxruntime

    from tasks.core import devices

    if not devices.gpus():
        return f"NVML finds no NVIDIA GPU here; on a machine with one: {how}"
    if provider not in onnxruntime.get_available_providers():
        return f"this onnxruntime has no {provider}: {how}"
    return None


def _session(
    graph: Path,
    providers: list[Provider],
    threads: int,
    entries: dict[str, str],
    profile: str | None = None,
) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    for key, value in entries.items():
        options.add_session_config_entry(key, value)
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    return onnxruntime.InferenceSession(str(graph), options, providers=providers)


def _placed(subject: Subject, providers: list[Provider], options: dict[str, Any]) -> dict[str, int]:
    """Return how many nodes each provider ran in one profiled call, after fusion."""
    with tempfile.TemporaryDirectory() as folder:
        session = _session(subject.graph, providers, **options, profile=f"{folder}/profile")
        shapes = {i.name: i for i in subject.meta.inputs}
        feed = {
            i.name: _one(shapes[i.name].dtype, shapes[i.name].shape) for i in session.get_inputs()
        }
        session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text())
    ran = {
        e["name"]: e["args"]["provider"]
        for e in events
        if e.get("cat") == "Node" and e.get("args", {}).get("provider")
    }
    return dict(sorted(Counter(ran.values()).items()))


def _one(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    if dtype == "string":
        return np.full((1, *shape), "", dtype=object)
    return np.zeros((1, *shape), dtype)
