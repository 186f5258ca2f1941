"""The branches of all trees that matter least replaced by a leaf: fewer nodes, same trees.

Cost-complexity pruning (Breiman et al. 1984, "Classification and Regression Trees", 3.3) of the
whole ensemble: what a branch costs is how far the tree's output moves on training rows, not the
target's error. Not for latency: as many trees are walked, each a little less deep.
"""

import heapq
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from tasks.compress import ensembles
from tasks.compress.protocol import Context, Parent
from tasks.core.plugins import PluginParams
from tasks.core.tree_graph import with_trees
from tasks.core.trees import CELLS, LEAF, Trees, in_order, leaves_of

if TYPE_CHECKING:
    import onnx

LIBRARIES = ("numpy", "onnx")
PRECISION = ""


class Params(PluginParams):
    """How much of the trees goes."""

    share: float = Field(default=0.4, gt=0, lt=1, description="of all leaves, pruned away")
    rows: int = Field(
        default=4096, gt=0, description="of the training rows at most, that show what branches do"
    )


def applies(parent: Parent) -> str | None:
    """Return None, or why there are no trees."""
    return ensembles.unfit(parent.graph.graph)


def milder(params: Params) -> list[dict[str, Any]]:
    """Return params that take fewer leaves away."""
    return [{"share": round(params.share * part, 3)} for part in (0.75, 0.5, 0.25)]


def apply(parent: Parent, params: Params, context: Context) -> "onnx.ModelProto":
    """Return the graph with pruned trees."""
    trees, width = ensembles.read(parent.graph.graph)
    X = context.data.X
    X = X[:: -(-len(X) // params.rows)]
    return with_trees(parent.graph, pruned(trees, X, params.share), width)


def pruned(trees: Trees, X: np.ndarray, share: float) -> Trees:
    """Return the trees without the given share of their leaves; X: (n, feature) float32."""
    parents, depth = _parents(trees)
    rows, sums, squares, means = _statistics(trees, X, depth)
    leaf = trees.feature == LEAF
    spread = np.maximum(squares - (sums**2).sum(1) / np.maximum(rows, 1), 0)  # if it were a leaf
    counted = leaf.astype(np.int64)
    _add_up(trees, depth, counted)
    goal = round(float(leaf.sum()) * (1 - share))
    left = int(leaf.sum())
    # Lists from here on: their single numbers are read several times sooner than an array's.
    parent, leaves = parents.tolist(), counted.tolist()
    cost = np.where(leaf, 0.0, spread).tolist()
    within = [0.0] * len(cost)  # the cost of the leaves that a branch has now
    heap = [(cost[n] / (leaves[n] - 1), n) for n in np.flatnonzero(~leaf).tolist()]
    heapq.heapify(heap)
    cut, gone = [False] * len(cost), [False] * len(cost)
    below = (leaf.tolist(), trees.left.tolist(), trees.right.tolist())
    while heap and left > goal:
        worth, node = heapq.heappop(heap)
        if gone[node] or cut[node]:
            continue
        now = (cost[node] - within[node]) / (leaves[node] - 1)
        if now > worth * (1 + 1e-12) + 1e-300:  # it was dearer than when it was put there
            heapq.heappush(heap, (now, node))
            continue
        fewer, dearer = leaves[node] - 1, cost[node] - within[node]
        left -= fewer
        cut[node] = True
        _leave(node, below, cut, gone)
        above = node
        while above >= 0:
            leaves[above] -= fewer
            within[above] += dearer
            above = parent[above]
            if above >= 0 and not cut[above]:
                worth = (cost[above] - within[above]) / max(leaves[above] - 1, 1)
                heapq.heappush(heap, (worth, above))
    nodes = {n: a for n, a in trees.arrays().items() if n not in ("start", "target")}
    nodes["feature"] = np.where(cut, LEAF, trees.feature)
    nodes["values"] = np.where(np.array(cut)[:, None], means, trees.values)
    return in_order(trees.start[:-1], trees.target, trees.strict, **nodes)


def _parents(trees: Trees) -> tuple[np.ndarray, np.ndarray]:
    """Return each node's parent (-1: a root) and depth."""
    parent, depth = np.full(len(trees.feature), -1), np.zeros(len(trees.feature), int)
    nodes = trees.start[:-1]
    while len(nodes):
        nodes = nodes[trees.feature[nodes] != LEAF]
        for side in (trees.left, trees.right):
            parent[side[nodes]] = nodes
            depth[side[nodes]] = depth[nodes] + 1
        nodes = np.concatenate([trees.left[nodes], trees.right[nodes]])
    return parent, depth


def _add_up(trees: Trees, depth: np.ndarray, *totals: np.ndarray) -> None:
    """Give each branch the sum of what its leaves have, the deepest first; totals: (node, …)."""
    inner = np.flatnonzero(trees.feature != LEAF)
    for level in range(int(depth.max()) - 1, -1, -1):
        nodes = inner[depth[inner] == level]
        left, right = trees.left[nodes], trees.right[nodes]
        for total in totals:
            total[nodes] = total[left] + total[right]


def _statistics(
    trees: Trees, X: np.ndarray, depth: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return of each node: rows, sum of their leaves' values, sum of squares, and the mean.

    Shapes (node,), (node, width), (node,), (node, width). A branch that no row comes to has the
    mean of its leaves.
    """
    count, width = trees.values.shape
    rows = np.zeros(count)
    step = max(1, CELLS // max(len(trees.target), 1))
    for begin in range(0, len(X), step):
        found = leaves_of(trees, np.ascontiguousarray(X[begin : begin + step], np.float32))
        rows += np.bincount(found.ravel(), minlength=count)
    values = trees.values.astype(np.float64)
    sums, squares = rows[:, None] * values, rows * (values**2).sum(1)
    plain, leaves = values.copy(), (trees.feature == LEAF).astype(float)
    _add_up(trees, depth, rows, sums, squares, plain, leaves)
    seen = rows[:, None] > 0
    means = np.where(seen, sums / np.maximum(rows, 1)[:, None], plain / leaves[:, None])
    return rows, sums, squares, means.reshape(count, width)


def _leave(
    root: int, below: tuple[list[bool], list[int], list[int]], cut: list[bool], gone: list[bool]
) -> None:
    """Mark all that is below a node as gone; below: of each node if it is a leaf, and children."""
    leaf, left, right = below
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if leaf[node] or (cut[node] and node != root):
            continue
        for child in (left[node], right[node]):
            gone[child] = True
            waiting.append(child)
