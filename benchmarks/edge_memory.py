"""Memory counted on graphs beside the memory that ONNX Runtime takes for them."""

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.resident import measured

MIB = 2**20
INT8 = ", int8"
GRAPHS = {  # architecture, width, pixels a side
    "mobilenet_v2": ("mobilenet_v2", 32, 224),
    "resnet18": ("resnet18", 64, 224),
    "vgg16": ("vgg", 64, 224),
    "convnet": ("convnet", 32, 224),
    "resnet18, 96 pixels": ("resnet18", 64, 96),
    "mobilenet_v2, 448 pixels": ("mobilenet_v2", 32, 448),
    "mobilenet_v2, int8": ("mobilenet_v2", 32, 224),
    "resnet18, int8": ("resnet18", 64, 224),
}


def compared(name: str) -> dict[str, dict[str, float]]:
    """Return for one of GRAPHS, with ONNX Runtime's arena off and on, `estimated_mib`,
    `measured_mib` and `off`: by how many percent the estimate is off."""
    import onnx

    from tasks.core.profile import profile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        _save(path, *GRAPHS[name])
        if name.endswith(INT8):
            path = _quantised(path)
        counted = profile(onnx.load(path))
        return {
            "arena off": _beside(counted.peak_bytes, measured(path, False)["peak_mib"]),
            "arena on": _beside(counted.arena_bytes, measured(path, True)["peak_mib"]),
        }


def _beside(estimated: int, taken_mib: float) -> dict[str, float]:
    mib = estimated / MIB
    return {
        "estimated_mib": round(mib, 1),
        "measured_mib": round(taken_mib, 1),
        "off": round(100 * (mib / taken_mib - 1), 1),
    }


def _save(path: Path, architecture: str, width: int, side: int) -> None:
    """Write the graph of an architecture for colour images, its weights random."""
    import onnx
    import torch

    from tasks.nets import architectures
    from tasks.nets.export import to_onnx

    torch.manual_seed(0)
    X = np.random.default_rng(0).random((2, 3 * side**2), dtype=np.float32)
    build = getattr(architectures, architecture)
    network = build(X, (side, side, 3), 1000, width, 0.0).eval()
    onnx.save(to_onnx(network, 3 * side**2, "classification"), path)


def _quantised(path: Path) -> Path:
    """Return the graph in int8 (Q/DQ, weights by channel), calibrated on two random images."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Images(CalibrationDataReader):
        def __init__(self, features: int) -> None:
            rows = np.random.default_rng(1).random((2, features), dtype=np.float32)
            self.left = [{"X": row[None]} for row in rows]

        def get_next(self) -> Any:
            return self.left.pop() if self.left else None

    logging.getLogger().setLevel(logging.ERROR)  # it advises a preparation that changes nothing
    features = onnx.load(path).graph.input[0].type.tensor_type.shape.dim[1].dim_value
    quantised = path.with_name("int8.onnx")
    quantize_static(
        path,
        quantised,
        Images(features),
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return quantised
