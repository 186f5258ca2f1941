"""Weights stored as bfloat16: half the bytes, the range of float32, 8 bits of precision.

They become float32 again where they are used, so that every engine opens the graph. Not for weights
whose third digit matters: fp16 has 3 more bits, but ends at 65504.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

from tasks.compress import graphs
from tasks.compress.protocol import Context, NotApplicable, Parent
from tasks.core.plugins import PluginParams

if TYPE_CHECKING:
    import onnx

LIBRARIES = ("onnx",)
PRECISION = "bf16"


class Params(PluginParams):
    """Nothing to choose."""


def note(params: Params) -> str:
    """Return what the table says of the speed."""
    return "bfloat16 in the file: ONNX Runtime's CPU computes in float32, no faster"


def applies(parent: Parent) -> str | None:
    """Return None, or why there is nothing to store in fewer bytes."""
    if not graphs.weights(parent.graph.graph):
        return "no float32 weights to store smaller"
    return parent.lowered


def apply(
    parent: Parent, params: Params, context: Context, only: Collection[str] | None = None
) -> "onnx.ModelProto":
    """Return the graph with its weights in bfloat16, each cast back to float32; `only`: the names
    of the layers that have them.

    Raises:
        NotApplicable: none of these has float32 weights.
    """
    import ml_dtypes
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    made = onnx.ModelProto()
    made.CopyFrom(parent.graph)
    casts = []
    chosen = graphs.weights(made.graph, only)
    if not chosen:
        raise NotApplicable("no float32 weights to store smaller")
    for name, tensor in chosen.items():
        values = numpy_helper.to_array(tensor).astype(ml_dtypes.bfloat16)
        small = f"{name}/bf16"
        tensor.CopyFrom(numpy_helper.from_array(values, small))
        cast = helper.make_node("Cast", [small], [name], f"{name}/cast", to=TensorProto.FLOAT)
        casts.append(cast)
    graphs.set_nodes(made.graph, [*casts, *made.graph.node])
    return made
