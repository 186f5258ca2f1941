"""Decision trees as flat arrays: what every tree model is exported from, and the forest's own form.

Thresholds are float32. A float32 row that meets `x <= t` for a float64 `t` meets it for `t` rounded
down to float32 too, and the other way round: no row changes sides.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

LEAF = -1
CELLS = 2_000_000  # (row, tree) pairs walked at once: 60 MB


@dataclass(frozen=True)
class Trees:
    """Nodes of all trees, one tree after the other; children by their place in these arrays.

    start: (tree + 1,) int64; feature: (node,) int32, LEAF for a leaf; threshold: (node,) float32;
    left, right: (node,) int32; values: (node, width) float32, 0 where not a leaf; target: (tree,)
    int32, the first output that the tree's values add to; strict: left is `x < threshold`, else
    `<=`; missing: (node,) bool, where a missing value goes left; None: nowhere.
    """

    start: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    values: np.ndarray
    target: np.ndarray
    strict: bool = False
    missing: np.ndarray | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "strict"}
        return {name: array for name, array in found.items() if array is not None}

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

    A tree: feature (LEAF for a leaf), threshold (float64 or float32), left, right (node,), values
    (node, width), and missing (node,) where a missing value may go left.
    """
    sizes = [len(tree["feature"]) for tree in trees]
    start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    shift = np.repeat(start[:-1], sizes)

    def all_of(name: str) -> np.ndarray:
        return np.concatenate([tree[name] for tree in trees])

    feature = all_of("feature").astype(np.int32)
    inner = feature != LEAF
    missing = None
    if any("missing" in tree for tree in trees):
        none = [np.zeros(size, bool) for size in sizes]
        each = [tree.get("missing", no) for tree, no in zip(trees, none, strict=True)]
        missing = np.concatenate(each) & inner
        missing = missing if missing.any() else None
    return Trees(
        start=start,
        feature=feature,
        threshold=np.where(inner, rounded_down(all_of("threshold")), 0).astype(np.float32),
        left=np.where(inner, all_of("left") + shift, 0).astype(np.int32),
        right=np.where(inner, all_of("right") + shift, 0).astype(np.int32),
        values=np.where(inner[:, None], 0, all_of("values")).astype(np.float32),
        target=np.asarray(target, np.int32),
        strict=strict,
        missing=missing,
    )


def in_order(roots: Any, target: Any, strict: bool, **arrays: np.ndarray) -> Trees:
    """Return trees whose nodes may lie anywhere, one after the other, each from its root on.

    arrays: as `join` has them, of all trees together; what is below no root is left out.
    """
    feature, left, right = (arrays[name] for name in ("feature", "left", "right"))
    levels = [np.asarray(roots)]  # nodes by depth
    inner = []
    while len(levels[-1]):
        inner.append(levels[-1][feature[levels[-1]] != LEAF])
        levels.append(np.concatenate([left[inner[-1]], right[inner[-1]]]).astype(np.int64))
    size = np.ones(len(feature), np.int64)  # of what begins at each node
    for nodes in reversed(inner):
        size[nodes] += size[left[nodes]] + size[right[nodes]]
    start = np.concatenate([[0], np.cumsum(size[levels[0]])])
    place = np.zeros(len(feature), np.int64)
    place[levels[0]] = start[:-1]
    for nodes in inner:
        place[left[nodes]] = place[nodes] + 1
        place[right[nodes]] = place[nodes] + 1 + size[left[nodes]]
    found = np.concatenate(levels)
    order = np.empty(len(found), np.int64)
    order[place[found]] = found
    arrays |= {"left": place[left], "right": place[right]}
    whole = join([{name: array[order] for name, array in arrays.items()}], target, strict)
    return replace(whole, start=start)


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
        leaves = leaves_of(trees, rows)  # (row, tree)
        for first in np.unique(trees.target):
            mine = leaves[:, trees.target == first]
            for k in range(spread):
                result[begin : begin + step, first + k] += trees.values[mine, k].sum(
                    1, dtype=np.float64
                )
    return result


def leaves_of(trees: Trees, X: np.ndarray) -> np.ndarray:
    """Return the leaf that each row of (n, feature) float32 comes to in each tree, (n, tree)."""
    count = len(trees.target)
    node = np.tile(trees.start[:-1].astype(np.int32), len(X))  # (row x tree,)
    base = np.repeat(np.arange(len(X), dtype=np.int64) * X.shape[1], count)
    flat = X.ravel()
    active = np.flatnonzero(trees.feature[node] != LEAF)
    while active.size:
        at = node[active]
        value, threshold = flat[base[active] + trees.feature[at]], trees.threshold[at]
        goes_left = value < threshold if trees.strict else value <= threshold
        if trees.missing is not None:
            goes_left |= np.isnan(value) & trees.missing[at]
        at = np.where(goes_left, trees.left[at], trees.right[at])
        node[active] = at
        active = active[trees.feature[at] != LEAF]
    return node.reshape(len(X), count)
