"""OpenVINO on the CPU, in float32: its own default is bf16 where the CPU has it.

Not for tree ensembles (`ai.onnx.ml`) and text inputs, which it does not read. The batch stays
dynamic: a net compiled for a fixed batch was 8 % faster at one row.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tasks.benchmark.subject import Rows, Subject
from tasks.core.plugins import PluginParams

LIBRARIES = ("openvino",)
DEVICE = "any"
WEIGHTED, INTEGERS = ("Convolution", "FullyConnected", "MatMul"), ("i8", "u8")


class Params(PluginParams):
    """The precision of float operators."""

    precision: Literal["f32", "bf16"] = "f32"


@dataclass
class OpenVino:
    """A compiled model and its one request."""

    compiled: Any
    inputs: list[str]

    def __post_init__(self) -> None:
        self.request = self.compiled.create_infer_request()

    def feed(self, rows: Rows) -> dict[str, np.ndarray]:
        return {name: np.ascontiguousarray(rows.inputs[name]) for name in self.inputs}

    def run(self, feed: dict[str, np.ndarray]) -> np.ndarray:
        return self.request.infer(feed, share_inputs=True)[0]

    def nodes(self) -> dict[str, int]:
        return {"CPU": sum(1 for _ in self.compiled.get_runtime_model().get_ops())}

    def quantised_share(self) -> float | None:
        """Return the share of convolutions and matrix products that run on integers."""
        facts = [op.get_rt_info() for op in self.compiled.get_runtime_model().get_ops()]
        ran = [f["runtimePrecision"].value for f in facts if f["layerType"].value in WEIGHTED]
        return sum(kind in INTEGERS for kind in ran) / len(ran) if ran else None


def available() -> str | None:
    """Return None, or how to install it."""
    from importlib.util import find_spec

    return None if find_spec("openvino") else "no package openvino: pip install openvino"


def supports(subject: Subject) -> str | None:
    """Return None, or why it cannot read the graph."""
    if subject.not_onnx:
        return subject.not_onnx
    if subject.is_trees:
        return "OpenVINO has no tree ensembles (ai.onnx.ml)"
    if subject.text_inputs:
        return f"OpenVINO takes no text inputs ({', '.join(subject.text_inputs[:3])})"
    return None


def load(subject: Subject, params: Params, device: str, threads: int) -> OpenVino:
    """Return the graph compiled for the CPU."""
    import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": params.precision,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    core = _core()
    compiled = core.compile_model(core.read_model(str(subject.graph)), "CPU", settings)
    found = compiled.get_property("INFERENCE_PRECISION_HINT")
    if found != getattr(openvino.Type, params.precision):
        raise RuntimeError(f"expected precision {params.precision}, OpenVINO took {found}")
    known = {i.name for i in subject.meta.inputs}  # a tensor has the names of its copies too
    return OpenVino(compiled, [min(known & i.get_names()) for i in compiled.inputs])


_made: list[Any] = []


def _core() -> Any:
    import openvino

    if not _made:  # its plugins load once a process
        _made.append(openvino.Core())
    return _made[0]
