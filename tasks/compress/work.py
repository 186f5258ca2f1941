"""What one row is thought to cost a graph: enough to order variants before any is measured."""

from typing import TYPE_CHECKING

import numpy as np

from tasks.compress import ensembles, graphs
from tasks.core.profile import profile

if TYPE_CHECKING:
    import onnx

# Of ONNX Runtime on one core with AVX-512, in microseconds, fitted by eye to 42 variants of two
# networks of `digits`: most are within 15 % of what was measured. Their ratios alone matter here.
CALL, OPERATOR, ON_INTEGERS = 4.0, 0.5, 0.6  # a call; an operator; one that works on integers, more
MILLION_MACS = {"fully_connected": 50.0}  # of multiply-adds in float32
CONVOLUTION = 21.0  # likewise, of any other class
INT8_SHARE = 0.3  # of that, on integers
TREE, DEPTH = 0.0033, 0.62  # of a tree, for its nodes to that power: of all it visits some


def microseconds(model: "onnx.ModelProto", dialect: str | None = None) -> float:
    """Return about how long ONNX Runtime takes for one row; never measured, so always the same.

    dialect: of the variant, which decides how its graph is opened.
    """
    visits = 0.0
    if ensembles.unfit(model.graph) is None:
        nodes = np.diff(ensembles.read(model.graph)[0].start)
        visits = TREE * float((nodes**DEPTH).sum())
        if not graphs.weighted(model.graph):
            return CALL + OPERATOR * len(model.graph.node) + visits
    ran = graphs.executed(graphs.serialise(model), dialect)
    integer, floating = (sum(ran.get(n, 0) for n in g) for g in (graphs.QUANTISED, graphs.FLOATING))
    others = sum(count for name, count in ran.items() if name.startswith(("Q", "Dequantize")))
    share = integer / max(integer + floating, 1)
    return (
        CALL
        + visits
        + OPERATOR * sum(ran.values())
        + ON_INTEGERS * (max(others, integer) + ran.get("MatMulNBits", 0))
        + float_us(model) * (1 - share + share * INT8_SHARE)
    )


def float_us(model: "onnx.ModelProto") -> float:
    """Return about how long the multiply-adds of one row take in float32, in microseconds."""
    macs = profile(model).work.macs if graphs.weighted(model.graph) else {}
    return sum(MILLION_MACS.get(name, CONVOLUTION) * count / 1e6 for name, count in macs.items())
