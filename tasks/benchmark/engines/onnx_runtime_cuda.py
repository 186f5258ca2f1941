"""ONNX Runtime's CUDA provider, where it really runs the graph.

Not for tree ensembles (it has no kernel for them and would run them on the CPU: an error here), nor
for single rows of small models, whose time goes into copies to the device and back.
"""

from pydantic import Field

from tasks.benchmark.engines import onnx_runtime
from tasks.benchmark.subject import Subject
from tasks.core import extras
from tasks.core.plugins import PluginParams

LIBRARIES = ("onnxruntime-gpu",)
DEVICE = "cuda"
NAME = "CUDAExecutionProvider"


class Params(PluginParams):
    """What counts as running on the GPU, and its arithmetic."""

    least_share: float = Field(
        default=0.5, gt=0, le=1, description="of the nodes that must run on CUDA"
    )
    tf32: bool = Field(
        default=False, description="10-bit mantissas in fp32 products: faster, not fp32"
    )


def available() -> str | None:
    """Return None, or what is missing."""
    return onnx_runtime.missing(NAME, extras.install("gpu"))


def supports(subject: Subject) -> str | None:
    """Return None, or why the graph would run on the CPU."""
    return subject.not_onnx or (
        "the CUDA provider has no tree ensembles" if subject.is_trees else None
    )


def load(subject: Subject, params: Params, device: str, threads: int) -> onnx_runtime.OnnxRuntime:
    """Return a session on CUDA; nodes without a CUDA kernel run on the CPU and are counted."""
    options = {"use_tf32": str(int(params.tf32))}
    providers: list[onnx_runtime.Provider] = [(NAME, options), onnx_runtime.CPU]
    return onnx_runtime.on_provider(subject, providers, threads, params.least_share)
