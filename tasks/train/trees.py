"""Decision trees as flat arrays: what every tree model is exported from, and the forest's own form.

Thresholds are float32. A float32 row that meets `x <= t` for a float64 `t` meets it for `t` rounded
down to float32 too, and the other way round: no row changes sides.
"""

from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

from tasks.core.graph import Graph, matrix

LEAF = -1
CELLS = 2_000_000  # (row, tree) pairs walked at once: 60 MB


@dataclass(frozen=True)
class Trees:
    """Nodes of all trees, one tree after the other; children by their place in these arrays.

    start: (tree + 1,) int64; feature: (node,) int32, LEAF for a leaf; threshold: (node,) float32;
    left, right: (node,) int32; values: (node, width) float32, 0 where not a leaf; target: (tree,)
    int32, the first output that the tree's values add to; strict: left is `x < threshold`, else
    `<=`.
    """

    start: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    values: np.ndarray
    target: np.ndarray
    strict: bool = False

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "strict"}

    def first(self, count: int) -> "Trees":
        """Return the first trees of the ensemble."""
        nodes = int(self.start[count])
        cut = {
            name: array[:nodes]
            for name, array in self.arrays().items()
            if name not in ("start", "target")
        }
        start, target = self.start[: count + 1], self.target[:count]
        return Trees(start=start, target=target, strict=self.strict, **cut)


def join(trees: list[dict[str, np.ndarray]], target: Any, strict: bool) -> Trees:
    """Return one ensemble of single trees, whose children are counted from 0 in each.

    A tree: feature (LEAF for a leaf), threshold (float64 or float32), left, right (node,), and
    values (node, width).
    """
    sizes = [len(tree["feature"]) for tree in trees]
    start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    shift = np.repeat(start[:-1], sizes)

    def all_of(name: str) -> np.ndarray:
        return np.concatenate([tree[name] for tree in trees])

    feature = all_of("feature").astype(np.int32)
    inner = feature != LEAF
    return Trees(
        start=start,
        feature=feature,
        threshold=np.where(inner, rounded_down(all_of("threshold")), 0).astype(np.float32),
        left=np.where(inner, all_of("left") + shift, 0).astype(np.int32),
        right=np.where(inner, all_of("right") + shift, 0).astype(np.int32),
        values=np.where(inner[:, None], 0, all_of("values")).astype(np.float32),
        target=np.asarray(target, np.int32),
        strict=strict,
    )


def rounded_down(values: np.ndarray) -> np.ndarray:
    """Return the largest float32 that is not above each value."""
    with np.errstate(over="ignore"):
        near = values.astype(np.float32)
    return np.where(near > values, np.nextafter(near, np.float32(-np.inf)), near)


def total(trees: Trees, X: np.ndarray, width: int) -> np.ndarray:
    """Return the sum of all trees' values for each row, (n, width) float64."""
    X = np.ascontiguousarray(X, np.float32)
    count = len(trees.target)
    result = np.zeros((len(X), width))
    spread = trees.values.shape[1]
    step = max(1, CELLS // max(count, 1))
    for begin in range(0, len(X), step):
        rows = X[begin : begin + step]
        leaves = _leaves(trees, rows)  # (row, tree)
        for first in np.unique(trees.target):
            mine = leaves[:, trees.target == first]
            for k in range(spread):
                result[begin : begin + step, first + k] += trees.values[mine, k].sum(
                    1, dtype=np.float64
                )
    return result


def _leaves(trees: Trees, X: np.ndarray) -> np.ndarray:
    count = len(trees.target)
    node = np.tile(trees.start[:-1].astype(np.int32), len(X))  # (row x tree,)
    base = np.repeat(np.arange(len(X), dtype=np.int64) * X.shape[1], count)
    flat = X.ravel()
    active = np.flatnonzero(trees.feature[node] != LEAF)
    while active.size:
        at = node[active]
        value, threshold = flat[base[active] + trees.feature[at]], trees.threshold[at]
        goes_left = value < threshold if trees.strict else value <= threshold
        at = np.where(goes_left, trees.left[at], trees.right[at])
        node[active] = at
        active = active[trees.feature[at] != LEAF]
    return node.reshape(len(X), count)


def to_onnx(
    trees: Trees,
    features: int,
    width: int,
    base: np.ndarray,
    output: str,
    link: Literal["identity", "sigmoid", "softmax"],
) -> Any:
    """Return the graph of base + the sum of the trees, (N, width), then the link.

    `sigmoid` makes the two probabilities of one score. The operators are of `ai.onnx.ml`, which
    ONNX Runtime alone takes. TreeEnsemble holds its numbers as tensors: a file 2.6 times smaller
    than TreeEnsembleRegressor's, as fast (400 trees: 22 us a row). Its leaves have one value each,
    so a forest of classes has to take the older one.
    """
    graph = Graph()
    if trees.values.shape[1] == 1:
        attributes = {"aggregate_function": 1, "post_transform": 0, **_attributes(trees)}
        sums = graph.add(
            "TreeEnsemble", "X", domain="ai.onnx.ml", version=5, n_targets=width, **attributes
        )
    else:
        attributes = {"aggregate_function": "SUM", **_regressor_attributes(trees)}
        sums = graph.add(
            "TreeEnsembleRegressor",
            "X",
            domain="ai.onnx.ml",
            version=3,
            n_targets=width,
            **attributes,
        )
    last = sums
    if np.any(base):
        last = graph.add("Add", sums, graph.constant(np.asarray(base)[None]))
    if link == "softmax":
        last = graph.add("Softmax", last, axis=1)
    elif link == "sigmoid":
        positive = graph.add("Sigmoid", last)
        negative = graph.add("Sigmoid", graph.add("Neg", last))  # 1 - p would lose small ones
        last = graph.add("Concat", negative, positive, axis=1)
        width = 2
    return graph.model(matrix(features), last, output, width)


def _attributes(trees: Trees) -> dict[str, Any]:
    """Return the attributes of TreeEnsemble: inner nodes and leaves are numbered apart."""
    from onnx import numpy_helper

    inner = trees.feature != LEAF
    count = int(inner.sum())
    number = np.where(inner, np.cumsum(inner), np.cumsum(~inner)) - 1
    nodes, leaves = np.flatnonzero(inner), np.flatnonzero(~inner)
    roots = trees.start[:-1]
    alone = roots[~inner[roots]]  # a leaf that is a tree: a node of two equal sides
    places = np.arange(count, count + len(alone))
    number_of_root = number[roots]
    number_of_root[~inner[roots]] = places
    feature = np.concatenate([trees.feature[nodes], np.zeros_like(alone)])
    split = np.concatenate([trees.threshold[nodes], np.zeros(len(alone))]).astype(np.float32)
    left = np.concatenate([trees.left[nodes], alone])
    right = np.concatenate([trees.right[nodes], alone])
    mode = np.full(len(feature), 1 if trees.strict else 0, np.uint8)
    tree = np.repeat(np.arange(len(roots)), np.diff(trees.start))
    return {
        "nodes_featureids": feature.tolist(),
        "nodes_splits": numpy_helper.from_array(split, "splits"),
        "nodes_modes": numpy_helper.from_array(mode, "modes"),
        "nodes_truenodeids": number[left].tolist(),
        "nodes_falsenodeids": number[right].tolist(),
        "nodes_trueleafs": (~inner[left]).astype(int).tolist(),
        "nodes_falseleafs": (~inner[right]).astype(int).tolist(),
        "leaf_targetids": trees.target[tree[leaves]].tolist(),
        "leaf_weights": numpy_helper.from_array(trees.values[leaves, 0], "weights"),
        "tree_roots": number_of_root.tolist(),
    }


def _regressor_attributes(trees: Trees) -> dict[str, Any]:
    sizes = np.diff(trees.start)
    tree = np.repeat(np.arange(len(sizes)), sizes)
    local = np.arange(len(tree)) - trees.start[tree]
    inner = trees.feature != LEAF
    mode = b"BRANCH_LT" if trees.strict else b"BRANCH_LEQ"
    leaf, column = np.nonzero((trees.values != 0) & ~inner[:, None])
    empty = np.setdiff1d(np.flatnonzero(~inner), leaf)  # a leaf of zeros still needs a weight
    leaf, column = np.concatenate([leaf, empty]), np.concatenate([column, np.zeros_like(empty)])
    order = np.lexsort((column, leaf))
    leaf, column = leaf[order], column[order]
    return {
        "nodes_treeids": tree.tolist(),
        "nodes_nodeids": local.tolist(),
        "nodes_featureids": np.where(inner, trees.feature, 0).tolist(),
        "nodes_values": trees.threshold.tolist(),
        "nodes_modes": [mode if i else b"LEAF" for i in inner],
        "nodes_truenodeids": np.where(inner, trees.left - trees.start[tree], 0).tolist(),
        "nodes_falsenodeids": np.where(inner, trees.right - trees.start[tree], 0).tolist(),
        "target_treeids": tree[leaf].tolist(),
        "target_nodeids": local[leaf].tolist(),
        "target_ids": (column + trees.target[tree[leaf]]).tolist(),
        "target_weights": trees.values[leaf, column].tolist(),
    }
