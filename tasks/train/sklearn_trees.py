"""scikit-learn's fitted trees as arrays (`tasks.core.trees`)."""

from typing import Any

import numpy as np

from tasks.core.trees import LEAF


def of_tree(
    tree: Any, columns: np.ndarray, width: int, count: int, missing: bool = False
) -> dict[str, np.ndarray]:
    """Return a `sklearn.tree._tree.Tree`, one of `count` averaged ones: its values are divided.

    They stand in `columns` of `width`. missing: whether it says where missing values go.
    """
    values = np.zeros((tree.node_count, width))
    values[:, columns] = tree.value[:, 0, :] / count
    tracks = {"missing": tree.missing_go_to_left.astype(bool)} if missing else {}
    return tracks | {
        "feature": np.where(tree.children_left < 0, LEAF, tree.feature),
        "threshold": tree.threshold,
        "left": tree.children_left,
        "right": tree.children_right,
        "values": values,
    }


def of_histograms(predictor: Any) -> dict[str, np.ndarray]:
    """Return the tree of a histogram booster's `TreePredictor`; it has no splits by category."""
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    return {
        "feature": np.where(leaf, LEAF, nodes["feature_idx"]),
        "threshold": nodes["num_threshold"],
        "left": nodes["left"].astype(int),
        "right": nodes["right"].astype(int),
        "values": nodes["value"][:, None],
        "missing": nodes["missing_go_to_left"].astype(bool),
    }


def problem(tree: dict[str, np.ndarray], features: int) -> str | None:
    """Return None, or what of a tree's places leads nowhere: a library follows them unchecked."""
    inner = np.flatnonzero(tree["feature"] != LEAF)
    for side in ("left", "right"):
        child = tree[side][inner]
        if ((child <= inner) | (child >= len(tree["feature"]))).any():
            return f"a {side} child that is no later node of its tree"
    used = tree["feature"][inner]
    if ((used < 0) | (used >= features)).any():
        return f"a split by a feature that is none of {features}"
    return None
