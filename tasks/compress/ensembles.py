"""The trees of a whole graph: read, and put back changed."""

from typing import TYPE_CHECKING

import numpy as np

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
        NotApplicable: they are no plain sum.
    """
    try:
        return tree_graph.from_onnx(tree_graph.node_of(graph))
    except ValueError as error:
        raise NotApplicable(str(error)) from None


def nodes(graph: "onnx.GraphProto") -> np.ndarray:
    """Return the nodes of each tree, (tree,) int64; of what is no ensemble, none."""
    return np.zeros(0, np.int64) if unfit(graph) else np.diff(read(graph)[0].start)
