"""What one row is thought to cost a graph: enough to order variants before any is measured."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.compress import graphs
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


class Work(NamedTuple):
    """Microseconds of a row: of calls, operators and trees, which depend on the operators alone,
    and of multiply-adds in float32, of which integers take a share.
    """

    fixed_us: float
    float_us: float
    share: float = 1.0

    @property
    def us(self) -> float:
        return self.fixed_us + self.share * self.float_us


def of(model: "onnx.ModelProto", trees: np.ndarray, dialect: str | None = None) -> Work:
    """Return about how long ONNX Runtime takes for one row; never measured, so always the same.

    trees: (tree,), the nodes of each; dialect: of the variant, which decides how its graph is
    opened.
    """
    visits = TREE * float((trees**DEPTH).sum())
    if len(trees) and not graphs.weighted(model.graph):
        return Work(CALL + OPERATOR * len(model.graph.node) + visits, 0.0)
    ran = graphs.executed(graphs.serialise(model), dialect)
    integer, floating = (sum(ran.get(n, 0) for n in g) for g in (graphs.QUANTISED, graphs.FLOATING))
    others = sum(count for name, count in ran.items() if name.startswith(("Q", "Dequantize")))
    fixed = CALL + visits + OPERATOR * sum(ran.values())
    fixed += ON_INTEGERS * (max(others, integer) + ran.get("MatMulNBits", 0))
    share = integer / max(integer + floating, 1)
    return Work(fixed, float_us(model), 1 - share + share * INT8_SHARE)


def float_us(model: "onnx.ModelProto") -> float:
    """Return about how long the multiply-adds of one row take in float32, in microseconds."""
    macs = {} if graphs.is_trees(model.graph) else profile(model).work.macs
    return sum(MILLION_MACS.get(name, CONVOLUTION) * count / 1e6 for name, count in macs.items())
