"""The trees of a whole graph: read, and put back changed."""

from typing import TYPE_CHECKING

from tasks.compress import graphs
from tasks.compress.protocol import NotApplicable
from tasks.core import tree_graph
from tasks.core.trees import Trees

if TYPE_CHECKING:
    import onnx


def unfit(graph: "onnx.GraphProto") -> str | None:
    """Return None where the model is an ensemble of trees, else why not."""
    return None if graphs.is_trees(graph) else "not an ensemble of trees"


def read(graph: "onnx.GraphProto") -> tuple[Trees, int]:
    """Return the trees of a graph, and how many values they sum to.

    Raises:
        NotApplicable: they are not as Temper writes them.
    """
    try:
        return tree_graph.from_onnx(_node(graph))
    except ValueError as error:
        raise NotApplicable(str(error)) from None


def with_trees(model: "onnx.ModelProto", trees: Trees, width: int) -> "onnx.ModelProto":
    """Return a copy of a model with other trees, of as many outputs."""
    import onnx
    from onnx import helper

    made = onnx.ModelProto()
    made.CopyFrom(model)
    old = _node(made.graph)
    operator, _, attributes = tree_graph.operator_of(trees, width)
    ends = (list(old.input), list(old.output), old.name)
    old.CopyFrom(helper.make_node(operator, *ends, domain=tree_graph.DOMAIN, **attributes))
    return made


def _node(graph: "onnx.GraphProto") -> "onnx.NodeProto":
    return next(n for n in graph.node if n.op_type.startswith("TreeEnsemble"))
