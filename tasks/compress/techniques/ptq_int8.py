"""INT8 by quantisation after training: weights a quarter of the size, integer arithmetic.

Two dialects, since no engine is fast on the other's:
- `int8_cpu`: unsigned asymmetric activations, signed symmetric weights a channel, in 7 of their 8
  bits: without VNNI a CPU adds two products in 16 bits, and those of 8-bit weights overflow. ONNX
  Runtime's CPU provider runs it 3.3 times faster than fp32 on a CPU with VNNI (S8S8 is no faster
  there than fp32), 1.4 to 1.8 times with AVX2 alone.
- `int8_trt`: everything signed and symmetric, all zero points 0, biases left in float: what
  TensorRT wants.

Activation ranges come from training rows fed through the whole graph. Not for models in which a
rare large value matters (its range is shared by all): `mode: dynamic` finds ranges anew for each
call, for matrix products alone (a convolution would be 6 times slower). The ranges of an LSTM are
always found anew, in `int8_cpu`, by an operator of ONNX Runtime alone; `int8_trt` leaves it alone.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from pydantic import Field

from tasks.compress import graphs, integers
from tasks.compress.protocol import Context, NotApplicable, Parent
from tasks.core.graph import INT8_TRT
from tasks.core.plugins import PluginParams

if TYPE_CHECKING:
    import onnx

LIBRARIES = ("onnxruntime", "onnx")
PRECISION = "int8"
BATCH = 64


class Params(PluginParams):
    """Static or dynamic, the dialect, and how ranges are found."""

    mode: Literal["static", "dynamic"] = Field(
        default="static",
        description="dynamic: ranges of activations for each call, weights of Gemm and MatMul",
    )
    dialect: Literal["int8_cpu", "int8_trt"] = "int8_cpu"
    ranges: Literal["minmax", "percentile", "entropy"] = Field(
        default="minmax", description="percentile and entropy clip rare large activations"
    )
    reduce_range: bool | None = Field(
        default=None,
        description="7-bit weights, which no CPU's arithmetic saturates; null: for int8_cpu",
    )

    @property
    def narrow(self) -> bool:
        """Return whether weights use 7 of their 8 bits."""
        return self.dialect == "int8_cpu" if self.reduce_range is None else self.reduce_range


def note(params: Params) -> str | None:
    """Return what the table says of the speed."""
    if params.mode == "dynamic":
        return "operators of ONNX Runtime alone (MatMulInteger), ranges found in each call"
    if params.dialect == INT8_TRT:
        return "signed INT8 for TensorRT: ONNX Runtime's CPU computes it in float32, no faster"
    return None


def dialect(params: Params) -> str:
    """Return which engines' INT8 the graph speaks."""
    return params.dialect if params.mode == "static" else "int8_cpu"


def applies(parent: Parent) -> str | None:
    """Return None, or why there is nothing to quantise."""
    if not graphs.weighted(parent.graph.graph):
        return "no Conv, Gemm or MatMul to quantise"
    return parent.lowered


def refuses(params: Params, context: Context) -> str | None:
    """Return None, or why the rows that ranges are taken from do not suit it."""
    if params.mode == "dynamic" or params.ranges == "minmax":
        return None
    if any(v.dtype.kind == "f" and np.isnan(v).any() for v in context.calibration.values()):
        return f"{params.ranges} takes no rows with missing values; minmax does"
    return None


def apply(
    parent: Parent, params: Params, context: Context, only: Collection[str] | None = None
) -> "onnx.ModelProto":
    """Return the graph on integers: Q/DQ around the weighted operators and between them, or, where
    ranges are dynamic, integer matrix products.

    `only`: the names of the layers to quantise; None: all.

    Raises:
        NotApplicable: no such layer has weights of one matrix; or rows have missing values and the
            ranges are those of a histogram.
    """
    import tempfile

    if reason := refuses(params, context):
        raise NotApplicable(reason)
    quantise = _dynamic if params.mode == "dynamic" else _static
    lstms = _lstms(parent.graph.graph, params, only)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        try:
            made = quantise(parent.graph, params, context, Path(folder), only)
        except NotApplicable:
            if only is None or not lstms:
                raise
            made = parent.graph
        return _recurrent(made, lstms, params, Path(folder)) if lstms else made


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence ONNX Runtime's advice to pre-process, given after having pre-processed, and its talk
    of histograms.
    """
    import io
    import logging
    from contextlib import redirect_stdout

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        root.setLevel(level)


def _static(
    graph: "onnx.ModelProto",
    params: Params,
    context: Context,
    folder: Path,
    only: Collection[str] | None,
) -> "onnx.ModelProto":
    import onnx
    from onnxruntime import quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process

    given, ready, made = (folder / f"{n}.onnx" for n in ("given", "ready", "int8"))
    onnx.save(graph, given)  # given a ModelProto it would move its weights away
    quant_pre_process(str(given), str(ready), skip_symbolic_shape=True)
    nodes = integers.chosen(onnx.load(ready).graph, only)
    if not nodes:  # of an empty list the quantiser makes all nodes
        raise NotApplicable("every layer multiplies stacks of matrices, which stay in float")
    trt = params.dialect == INT8_TRT
    q.quantize_static(
        str(ready),
        str(made),
        cast("Any", _Rows(context.calibration, params.ranges != "minmax")),
        quant_format=q.QuantFormat.QDQ,
        activation_type=q.QuantType.QInt8 if trt else q.QuantType.QUInt8,
        weight_type=q.QuantType.QInt8,
        per_channel=True,
        reduce_range=params.narrow,
        calibrate_method=_method(params.ranges),
        nodes_to_quantize=nodes,
        op_types_to_quantize=[*graphs.WEIGHTED, *integers.BETWEEN, *integers.MOVES],
        extra_options={
            "ActivationSymmetric": trt,
            "WeightSymmetric": True,
            "QuantizeBias": not trt,
            "OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"],
        },
    )
    return integers.lean(onnx.load(made), onnx.load(ready))


def _dynamic(
    graph: "onnx.ModelProto",
    params: Params,
    context: Context,
    folder: Path,
    only: Collection[str] | None,
) -> "onnx.ModelProto":
    import onnx
    from onnxruntime import quantization as q

    ready = onnx.ModelProto()
    ready.CopyFrom(graph)
    graphs.gemm_as_matmul(ready.graph)
    products = [
        n.name
        for n in graphs.flat(ready.graph)
        if n.op_type == "MatMul" and (only is None or n.name in only)
    ]
    if not products:
        raise NotApplicable("no matrix product, and a convolution would be slower")
    given, made = folder / "given.onnx", folder / "int8.onnx"
    onnx.save(ready, given)
    q.quantize_dynamic(
        str(given),
        str(made),
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        reduce_range=params.narrow,
        weight_type=q.QuantType.QInt8,
        nodes_to_quantize=products,
    )
    return onnx.load(made)


def _lstms(graph: "onnx.GraphProto", params: Params, only: Collection[str] | None) -> list[str]:
    """Return the names of the LSTMs to quantise: none for TensorRT."""
    if dialect(params) == INT8_TRT:
        return []
    found = [n.name for n in graph.node if n.op_type == "LSTM"]
    return found if only is None else [name for name in found if name in only]


def _recurrent(
    graph: "onnx.ModelProto", lstms: list[str], params: Params, folder: Path
) -> "onnx.ModelProto":
    """Return the graph with LSTMs on integers, ranges found in each call: an operator of ONNX
    Runtime's, which has none with static ranges.
    """
    import onnx
    from onnxruntime import quantization as q

    given, made = folder / "float_lstm.onnx", folder / "int8_lstm.onnx"
    onnx.save(graph, given)
    q.quantize_dynamic(
        str(given),
        str(made),
        op_types_to_quantize=["LSTM"],
        nodes_to_quantize=lstms,
        per_channel=True,
        reduce_range=params.narrow,
        weight_type=q.QuantType.QInt8,
    )
    return onnx.load(made)


def _method(name: str) -> Any:
    from onnxruntime.quantization import CalibrationMethod

    return {
        "minmax": CalibrationMethod.MinMax,
        "percentile": CalibrationMethod.Percentile,
        "entropy": CalibrationMethod.Entropy,
    }[name]


class _Rows:
    """Training rows for the calibrator, a batch at a time.

    whole: all at once, as a histogram wants them: it keeps every tensor of every row until the end,
    and stacks them, so that each batch must have as many rows.
    """

    def __init__(self, feed: dict[str, np.ndarray], whole: bool):
        self.feed = feed
        self.at = 0
        self.rows = len(next(iter(feed.values())))
        self.batch = self.rows if whole else BATCH

    def get_next(self) -> dict[str, np.ndarray] | None:
        if self.at >= self.rows:
            return None
        batch = {k: v[self.at : self.at + self.batch] for k, v in self.feed.items()}
        self.at += self.batch
        return batch

    def __iter__(self) -> "_Rows":
        return self

    def __next__(self) -> dict[str, np.ndarray]:
        batch = self.get_next()
        if batch is None:
            raise StopIteration
        return batch

    def set_range(self, start_index: int, end_index: int) -> None:
        self.at = start_index

    def __len__(self) -> int:
        return self.rows
