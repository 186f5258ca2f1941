"""ONNX Runtime's TensorRT provider, where it really runs the graph; engines are built at load.

Not for tree ensembles and text, which TensorRT does not know, nor where a start must be quick.
"""

from pydantic import Field

from tasks.benchmark.engines import onnx_runtime, tensor_rt
from tasks.benchmark.subject import Subject
from tasks.core import extras
from tasks.core.plugins import PluginParams

LIBRARIES = ("onnxruntime-gpu", "tensorrt")
DEVICE = "cuda"
NAME = "TensorrtExecutionProvider"


class Params(PluginParams):
    """What counts as running on TensorRT."""

    least_share: float = Field(
        default=0.5, gt=0, le=1, description="of the nodes, a built engine being one"
    )


def available() -> str | None:
    """Return None, or what is missing."""
    return onnx_runtime.missing(NAME, extras.install("tensorrt"))


def supports(subject: Subject) -> str | None:
    """Return None, or why TensorRT does not take the graph."""
    return tensor_rt.supports(subject)


def load(subject: Subject, params: Params, device: str, threads: int) -> onnx_runtime.OnnxRuntime:
    """Return a session on TensorRT; nodes that run on CUDA or the CPU are counted."""
    providers: list[onnx_runtime.Provider] = [
        (NAME, {}),
        "CUDAExecutionProvider",
        onnx_runtime.CPU,
    ]
    return onnx_runtime.on_provider(subject, providers, threads, params.least_share)
