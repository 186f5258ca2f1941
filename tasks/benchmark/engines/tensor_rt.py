"""TensorRT on an NVIDIA GPU: a strongly typed engine built from the graph.

Precision is what the graph says: fp32, fp16 weights, or explicit signed INT8 (`int8_trt`). Not for
`int8_cpu` graphs (unsigned activations), tree ensembles and text inputs. An engine is kept for its
GPU, driver, TensorRT version, graph and parameters; another is built with the timing cache of the
first three.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tasks.benchmark import builds
from tasks.benchmark.subject import Rows, Subject
from tasks.core import devices, extras
from tasks.core.errors import EngineUnavailable
from tasks.core.plugins import PluginParams

LIBRARIES = ("tensorrt",)
DEVICE = "cuda"


class Params(PluginParams):
    """The range of batch sizes, and the builder's effort."""

    largest_batch: int = Field(default=1024, ge=1, description="rows a call at most")
    usual_batch: int = Field(default=64, ge=1, description="what kernels are chosen for")
    effort: int = Field(default=3, ge=0, le=5, description="the builder's optimisation level")


@dataclass
class TensorRt:
    """An execution context; copies to the GPU and back are within the timed call."""

    context: Any
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    first: str
    largest: int

    def feed(self, rows: Rows) -> dict[str, Any]:
        import torch

        return {n: torch.from_numpy(np.ascontiguousarray(rows.inputs[n])) for n in self.inputs}

    def run(self, feed: dict[str, Any]) -> np.ndarray:
        import torch

        n = len(next(iter(feed.values())))
        if n > self.largest:
            parts = [
                {k: v[at : at + self.largest] for k, v in feed.items()}
                for at in range(0, n, self.largest)
            ]
            return np.concatenate([self.run(part) for part in parts])
        for name, tensor in feed.items():
            self.inputs[name][:n].copy_(tensor)
            self.context.set_input_shape(name, tuple(tensor.shape))
        stream = torch.cuda.current_stream()
        if not self.context.execute_async_v3(stream.cuda_stream):
            raise RuntimeError("TensorRT did not run the engine")
        result = self.outputs[self.first].flatten()
        shape = tuple(self.context.get_tensor_shape(self.first))
        return result[: int(np.prod(shape))].reshape(shape).float().cpu().numpy()

    def nodes(self) -> dict[str, int]:
        return {"TensorRT": self.context.engine.num_layers}


def available() -> str | None:
    """Return None, or what is missing and how to install it."""
    from importlib.util import find_spec

    if not devices.gpus():
        return f"NVML finds no NVIDIA GPU here; on a machine with one: {extras.install('tensorrt')}"
    if not find_spec("tensorrt"):
        return f"no package tensorrt: {extras.install('tensorrt')}"
    return None


def supports(subject: Subject) -> str | None:
    """Return None, or why TensorRT does not take the graph."""
    if subject.not_onnx:
        return subject.not_onnx
    if subject.is_trees:
        return "TensorRT has no tree ensembles (ai.onnx.ml)"
    if subject.text_inputs:
        return f"TensorRT takes no text inputs ({', '.join(subject.text_inputs[:3])})"
    if subject.certificate.get("dialect") == "int8_cpu":
        return "unsigned INT8 activations: TensorRT takes the dialect int8_trt"
    return None


def load(subject: Subject, params: Params, device: str, threads: int) -> TensorRt:
    """Return an engine for this GPU, kept or built, its buffers allocated.

    Raises:
        EngineUnavailable: TensorRT refuses the graph, with its own errors in the message, or does
            not open what it built.
    """
    import tensorrt as trt  # pyright: ignore[reportMissingImports] - an extra of its own
    import torch

    logger = trt.Logger(trt.Logger.ERROR)
    runtime = trt.Runtime(logger)
    graph = subject.graph.read_bytes()
    here = (torch.cuda.get_device_name(), devices.gpus()[0].driver, trt.__version__)
    kept = builds.engine(*here, graph, params.model_dump_json())
    plan = builds.read(kept)
    engine = runtime.deserialize_cuda_engine(plan) if plan else None
    if engine is None:
        plan = _built(trt, logger, graph, params, builds.timing(*here))
        builds.keep(kept, plan)
        engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise EngineUnavailable("TensorRT could not open the engine that it built")
    context = engine.create_execution_context()
    kinds = {
        trt.float32: torch.float32,
        trt.float16: torch.float16,
        trt.uint8: torch.uint8,
        trt.int64: torch.int64,
        trt.int32: torch.int32,
        trt.bool: torch.bool,
    }
    inputs: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    for i in range(engine.num_io_tensors):
        name = engine.get_tensor_name(i)
        row = [max(int(d), 1) for d in tuple(engine.get_tensor_shape(name))[1:]]
        kind = kinds[engine.get_tensor_dtype(name)]
        buffer = torch.empty((params.largest_batch, *row), dtype=kind, device="cuda")
        context.set_tensor_address(name, buffer.data_ptr())
        is_input = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
        (inputs if is_input else outputs)[name] = buffer
    return TensorRt(context, inputs, outputs, next(iter(outputs)), params.largest_batch)


def _built(trt: Any, logger: Any, graph: bytes, params: Params, timing: Path) -> bytes:
    """Return the plan of an engine; its kernels' times go to the cache `timing`.

    Raises:
        EngineUnavailable: TensorRT refuses the graph.
    """
    builder = trt.Builder(logger)
    flags = trt.NetworkDefinitionCreationFlag
    typed = getattr(flags, "STRONGLY_TYPED", None)  # TensorRT 10; from 11 on always so
    network = builder.create_network(0 if typed is None else 1 << int(typed))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(graph):
        said = "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise EngineUnavailable(f"TensorRT does not take the graph: {said[:300]}")
    settings = builder.create_builder_config()
    settings.builder_optimization_level = params.effort
    profile = builder.create_optimization_profile()
    for i in range(network.num_inputs):
        tensor = network.get_input(i)
        row = tuple(tensor.shape)[1:]
        sizes = (1, min(params.usual_batch, params.largest_batch), params.largest_batch)
        profile.set_shape(tensor.name, *((n, *row) for n in sizes))
    settings.add_optimization_profile(profile)
    cache = settings.create_timing_cache(builds.read(timing))
    settings.set_timing_cache(cache, ignore_mismatch=False)
    plan = builder.build_serialized_network(network, settings)
    if plan is None:
        raise EngineUnavailable("TensorRT could not build an engine of the graph")
    builds.keep(timing, bytes(cache.serialize()))
    return bytes(plan)
