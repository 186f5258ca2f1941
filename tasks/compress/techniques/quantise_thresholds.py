"""Thresholds and leaf values with as few bits as they need: the same splits, a file that packs.

A threshold may lie anywhere between the training values on its two sides: it takes the shortest
number there, so that no training row changes sides. A leaf's value keeps some of its 24 bits. Not
for a smaller file as it lies on disk, which stores 32 bits a number: for the packed one (zstd).
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from tasks.compress import ensembles
from tasks.compress.protocol import Context, Parent
from tasks.core.plugins import PluginParams
from tasks.core.tree_graph import with_trees
from tasks.core.trees import LEAF, Trees

if TYPE_CHECKING:
    import onnx

LIBRARIES = ("numpy", "onnx")
PRECISION = ""
SAME_SHAPE = True
MANTISSA = 23  # stored bits of a float32's fraction


class Params(PluginParams):
    """How exact the leaves' values stay."""

    bits: int = Field(
        default=9, ge=1, le=MANTISSA, description="of a leaf value's fraction: 9 is 0.1 %"
    )


def note(params: Params) -> str:
    """Return what the table says of the size."""
    return "fewer bits a number: only the packed file (zstd) is smaller, and nothing is faster"


def applies(parent: Parent) -> str | None:
    """Return None, or why there are no trees."""
    return ensembles.unfit(parent.graph.graph)


def milder(params: Params) -> list[dict[str, Any]]:
    """Return params that leave more bits."""
    more = sorted({min(params.bits + bits, MANTISSA) for bits in (2, 5, 9)} - {params.bits})
    return [{"bits": bits} for bits in more]


def apply(parent: Parent, params: Params, context: Context) -> "onnx.ModelProto":
    """Return the graph with shorter numbers in its trees."""
    trees, width = ensembles.read(parent.graph.graph)
    return with_trees(parent.graph, shortened(trees, context.data.X, params.bits), width)


def shortened(trees: Trees, X: np.ndarray, bits: int) -> Trees:
    """Return the trees with shorter numbers; the rows of X (n, feature) keep their sides."""
    threshold = trees.threshold.copy()
    for feature in np.unique(trees.feature[trees.feature != LEAF]):
        mine = trees.feature == feature
        threshold[mine] = _between(np.unique(X[:, feature]), threshold[mine], trees.strict)
    values = _cut(trees.values, np.uint32(bits))
    arrays = {**trees.arrays(), "threshold": threshold, "values": values}
    return Trees(**arrays, strict=trees.strict)


def _between(seen: np.ndarray, threshold: np.ndarray, strict: bool) -> np.ndarray:
    """Return for each threshold the number of fewest bits that parts the seen values as it does.

    Left of it lie the values <= it (`strict`: < it), so it may be anything from the last of those
    (above it, where strict) to the next (below that, where not).
    """
    place = np.searchsorted(seen, threshold, side="left" if strict else "right")
    low = np.where(place > 0, seen[np.maximum(place - 1, 0)], threshold)
    high = np.where(place < len(seen), seen[np.minimum(place, len(seen) - 1)], threshold)
    best = threshold.copy()
    found = np.zeros(len(threshold), bool)
    middle = (low.astype(np.float64) + high) / 2
    for bits in range(MANTISSA):
        tried = _cut(middle.astype(np.float32), np.uint32(bits))
        fits = (low < tried) & (tried <= high) if strict else (low <= tried) & (tried < high)
        new = fits & ~found
        best[new] = tried[new]
        found |= new
    return best


def _cut(values: np.ndarray, bits: np.uint32) -> np.ndarray:
    """Return float32 values rounded to that many bits of their fraction."""
    drop = np.uint32(MANTISSA) - bits
    if not drop:
        return values
    whole = np.ascontiguousarray(values, np.float32).view(np.uint32)
    half = np.uint32(1) << (drop - np.uint32(1))
    return ((whole + half) >> drop << drop).view(np.float32).reshape(values.shape)
