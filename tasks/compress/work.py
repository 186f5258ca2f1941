"""What one row is thought to cost a graph: enough to order variants before any is measured."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.compress import graphs
from tasks.core.profile import Layer, layers

if TYPE_CHECKING:
    import onnx

# Of ONNX Runtime on one core of a CPU with AVX-512 and VNNI, in microseconds: single convolutions,
# and variants of four networks, most of which are within a tenth of what was measured. Their ratios
# alone matter here. On a CPU with AVX2, where a block has 8 channels and integers are less of a
# gain, a search with these is as good as with its own.
CALL, OPERATOR, ON_INTEGERS = 4.0, 0.5, 0.5  # a call; an operator; one that works on integers, more
DENSE, DENSE_ON_INTEGERS = 50.0, 20.0  # a million multiply-adds of a matrix
CONVOLUTION, CONVOLUTION_ON_INTEGERS = 17.5, 4.5  # and of a convolution
BLOCK = 16  # of its channels are computed at once, in float32
PLACE, NARROW = 0.008, 0.02  # on integers, each place of it; where it writes less than a block
TREE, DEPTH = 0.0033, 0.62  # of a tree, for its nodes to that power: of all it visits some


class Work(NamedTuple):
    """Microseconds of a row: of calls, operators and trees, which depend on the operators alone; of
    multiply-adds, all in float32 or all on integers, and the share that is on integers; how many
    million there are.
    """

    fixed_us: float
    float_us: float = 0.0
    integer_us: float = 0.0
    share: float = 0.0
    million_macs: float = 0.0

    @property
    def us(self) -> float:
        return self.fixed_us + (1 - self.share) * self.float_us + self.share * self.integer_us


def of(model: "onnx.ModelProto", trees: np.ndarray, dialect: str | None = None) -> Work:
    """Return about how long ONNX Runtime takes for one row; never measured, so always the same.

    trees: (tree,), the nodes of each; dialect: of the variant, which decides how its graph is
    opened.
    """
    visits = TREE * float((trees**DEPTH).sum())
    if len(trees) and not graphs.weighted(model.graph):
        return Work(CALL + OPERATOR * len(model.graph.node) + visits)
    ran = graphs.executed(graphs.serialise(model), dialect)
    integer, floating = (sum(ran.get(n, 0) for n in g) for g in (graphs.QUANTISED, graphs.FLOATING))
    others = sum(count for name, count in ran.items() if name.startswith(("Q", "Dequantize")))
    fixed = CALL + visits + OPERATOR * sum(ran.values())
    fixed += ON_INTEGERS * (max(others, integer) + ran.get("MatMulNBits", 0))
    found = layers(model)
    return Work(
        fixed,
        float_us=sum(map(in_float, found)),
        integer_us=sum(map(on_integers, found)),
        share=integer / max(integer + floating, 1),
        million_macs=sum(layer.macs for layer in found) / 1e6,
    )


def in_float(layer: Layer) -> float:
    """Return about how long a layer takes in float32, in microseconds."""
    if layer.kind == "fully_connected":
        return DENSE * layer.macs / 1e6
    inputs = layer.inputs if layer.inputs < BLOCK else _blocks(layer.inputs)
    whole = layer._replace(channels=_blocks(layer.channels), inputs=inputs)
    return CONVOLUTION * whole.macs / 1e6


def on_integers(layer: Layer) -> float:
    """Return about how long a layer takes on integers, in microseconds."""
    if layer.kind == "fully_connected":
        return DENSE_ON_INTEGERS * layer.macs / 1e6
    place = PLACE if layer.channels >= BLOCK else NARROW
    return place * layer.places + CONVOLUTION_ON_INTEGERS * layer.macs / 1e6


def _blocks(channels: int) -> int:
    return -(-channels // BLOCK) * BLOCK
