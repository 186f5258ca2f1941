"""Constants folded, and operators fused that standard ONNX can state as one.

By ONNX Runtime's own basic optimiser, written out: what it does at load is then done once, and
other engines get it too. The values stay the same but for rounding. Not for a graph that is already
as simple as it gets, which Temper's own exports mostly are.
"""

from typing import TYPE_CHECKING

from tasks.compress import export, graphs
from tasks.compress.protocol import Context, NothingToDo, Parent
from tasks.core.plugins import PluginParams

if TYPE_CHECKING:
    import onnx

LIBRARIES = ("onnxruntime", "onnx")
PRECISION = ""
UNDOES = ("bf16",)  # its casts are folded to float32 weights
NO_LAYERS = "it changes no weights: outputs differ by rounding alone"


class Params(PluginParams):
    """Nothing to choose."""


def applies(parent: Parent) -> str | None:
    """Return None: whether there is something to simplify is found out by trying."""
    return None


def apply(parent: Parent, params: Params, context: Context) -> "onnx.ModelProto":
    """Return the simplified graph.

    Raises:
        NothingToDo: it has no fewer operators then.
    """
    import tempfile
    from pathlib import Path

    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "simple.onnx"
        options.optimized_model_filepath = str(path)
        graphs.session(parent.graph, options)
        made = onnx.load(path)
    if len(made.graph.node) >= len(parent.graph.graph.node):
        raise NothingToDo("nothing to fold or to fuse")
    export.name_nodes(made.graph)
    return made
