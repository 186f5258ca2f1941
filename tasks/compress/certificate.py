"""What is stated of a variant: its difference, accuracy and sizes. `variant.json` carries it on."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.compress import graphs
from tasks.compress.export import Difference
from tasks.core.sizes import stored_bytes

if TYPE_CHECKING:
    import onnx


ZSTD_LEVEL = 9


def zstd_bytes(content: bytes) -> int:
    """Return the bytes of a file packed with zstd."""
    import zstandard

    return len(zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(content))


def agreement(a: np.ndarray, b: np.ndarray, task: str) -> float:
    """Return how far a prediction agrees with its parent's, up to 1.

    Classification: the share of rows given the same label. Regression: 1 - mean (a - b)^2 /
    variance of b.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if task == "classification":
        return float((a.argmax(axis=1) == b.argmax(axis=1)).mean())
    spread = float(np.var(b))
    apart = float(np.mean((np.ravel(a) - np.ravel(b)) ** 2))
    return 1 - apart / spread if spread else float(apart == 0)


def quantised_share(content: bytes, dialect: str | None) -> float | None:
    """Return the share of Conv, Gemm, MatMul that ONNX Runtime runs on integers; None: has none.

    dialect: which decides how the graph is opened: `int8_trt` is computed in float32.
    """
    ran = graphs.executed(content, dialect)
    integer = sum(ran.get(name, 0) for name in graphs.QUANTISED)
    floating = sum(ran.get(name, 0) for name in graphs.FLOATING)
    return integer / (integer + floating) if integer + floating else None


def quantised_weights(model: "onnx.ModelProto") -> dict[str, int]:
    """Return the bytes of the INT8 weights with their scales, and what they took in float32.

    Biases are left out: they stay as they are, or become 32-bit integers.
    """
    from onnx import TensorProto

    tensors = {t.name: t for t in model.graph.initializer}
    found: dict[str, int] = {}
    count = 0
    for node in model.graph.node:
        weight = tensors.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if weight is None or weight.data_type not in (TensorProto.INT8, TensorProto.UINT8):
            continue
        count += int(np.prod(weight.dims))
        found.update({n: stored_bytes(tensors[n]) for n in node.input if n in tensors})
    return {"bytes": sum(found.values()), "fp32_bytes": 4 * count}


def nonzero_share(model: "onnx.ModelProto") -> float | None:
    """Return the share of the layers' weights that are not 0; None: there are none (trees).

    An integer counts as 0 where it stands for it: at its zero point, which is 0 in every dialect,
    and 8 of the nibbles of MatMulNBits.
    """
    from onnx import numpy_helper

    tensors = {t.name: t for t in model.graph.initializer}
    unpacked = {n.output[0]: n.input[0] for n in model.graph.node if n.op_type in graphs.UNPACKS}
    layers = [n for n in graphs.of_model(model.graph) if n.op_type in graphs.WITH_WEIGHTS]
    names = {n.input[1] for n in layers}
    while packed := names & set(unpacked):
        names = names - packed | {unpacked[n] for n in packed}
    weights = [numpy_helper.to_array(tensors[n]) for n in sorted(names) if n in tensors]
    for node in model.graph.node:
        if node.op_type == "MatMulNBits":
            packed = numpy_helper.to_array(tensors[node.input[1]])
            shape = {a.name: a.i for a in node.attribute}
            nibbles = np.stack([packed & 15, packed >> 4], axis=-1).reshape(shape["N"], -1)
            weights.append(nibbles[:, : shape["K"]].astype(np.int8) - 8)
    count = sum(w.size for w in weights)
    return sum(int(np.count_nonzero(w)) for w in weights) / count if count else None


def digest(rows: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return how many rows there are, and the sha256 of their values."""
    found = hashlib.sha256()
    for name, values in sorted(rows.items()):
        found.update(f"{name}\0{values.dtype}\0{values.shape}\0".encode())
        plain = values.dtype != object
        found.update(values.tobytes() if plain else "\0".join(values.ravel()).encode())
    return {"rows": len(next(iter(rows.values()))), "sha256": found.hexdigest()}


def stated(found: Difference, of: str, tolerance: float | None) -> dict[str, Any]:
    """Return `parity` of variant.json: the difference from `of`, and what was allowed."""
    finite = bool(np.isfinite(found.max_abs))
    return {
        "of": of,
        "rows": found.rows,
        "max_abs": found.max_abs if finite else None,
        "max_rel": found.max_rel if finite else None,
        "tolerance": tolerance,
    }


def write(folder: Path, content: dict[str, Any]) -> None:
    """Write `variant.json`."""
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    (folder / "variant.json").write_text(text)
