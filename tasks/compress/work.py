"""What one row is thought to cost a graph: enough to order variants before any is measured."""

from typing import TYPE_CHECKING

import numpy as np

from tasks.compress import certificate, ensembles, graphs
from tasks.core.profile import profile

if TYPE_CHECKING:
    import onnx

# Of ONNX Runtime on one core with AVX-512, in microseconds; their ratios alone matter here.
OPERATOR = 0.5
MILLION_MACS = 10.0  # of multiply-adds in float32
INT8_GAIN = 3.3
VISIT = 0.004  # of a node of a tree


def microseconds(model: "onnx.ModelProto") -> float:
    """Return about how long ONNX Runtime takes for one row; never measured, so always the same."""
    if ensembles.unfit(model.graph) is None:
        trees, _ = ensembles.read(model.graph)
        nodes = np.diff(trees.start)
        return OPERATOR * len(model.graph.node) + VISIT * float(np.log2(nodes + 1).sum())
    work = profile(model).work
    share = certificate.quantised_share(graphs.serialise(model)) or 0.0
    million = work.total_macs / 1e6
    return OPERATOR * work.operators + MILLION_MACS * million * (1 - share + share / INT8_GAIN)
