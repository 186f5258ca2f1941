"""Trees as an operator of `ai.onnx.ml`, and back."""

from typing import Any, Literal

import numpy as np

from tasks.core.graph import Graph, matrix
from tasks.core.trees import LEAF, Trees, in_order

DOMAIN = "ai.onnx.ml"
VERSION = 5  # of the domain, the first with TreeEnsemble
# Of these attributes a plain sum has the first, the default, as the newer operator says it, or the
# second, as the older one does. What is not read of either follows.
SUM = {"aggregate_function": (1, b"SUM"), "post_transform": (0, b"NONE")}
UNREAD = {"base_values", "nodes_values_as_tensor", "target_weights_as_tensor", "membership_values"}
MISSING = "nodes_missing_value_tracks_true"
Link = Literal["identity", "sigmoid", "softmax"]


def to_onnx(
    trees: Trees,
    features: int,
    width: int,
    base: np.ndarray,
    output: str,
    link: Link,
) -> Any:
    """Return the graph of base + the sum of the trees, (N, width), then the link.

    `sigmoid` makes the two probabilities of one score. The operators are of `ai.onnx.ml`, which
    ONNX Runtime alone takes. TreeEnsemble holds its numbers as tensors: a file 2.6 times smaller
    than TreeEnsembleRegressor's, as fast (400 trees: 22 us a row). Its leaves have one value each,
    so a forest of classes has to take the older one.
    """
    graph = Graph()
    last = add(graph, "X", trees, width, base, link)
    return graph.model(matrix(features), last, output, 2 if link == "sigmoid" else width)


def add(graph: Graph, x: str, trees: Trees, width: int, base: np.ndarray, link: Link) -> str:
    """Return the name of the tensor that `to_onnx` gives, for the matrix `x` of a graph."""
    operator, version, attributes = operator_of(trees, width, VERSION)
    last = graph.add(operator, x, domain=DOMAIN, version=version, **attributes)
    if np.any(base):
        last = graph.add("Add", last, graph.constant(np.asarray(base)[None]))
    if link == "softmax":
        return graph.add("Softmax", last, axis=1)
    return both(graph, last) if link == "sigmoid" else last


def both(graph: Graph, score: str) -> str:
    """Return the name of the two probabilities of one score (N, 1)."""
    positive = graph.add("Sigmoid", score)
    negative = graph.add("Sigmoid", graph.add("Neg", score))  # 1 - p would lose small ones
    return graph.add("Concat", negative, positive, axis=1)


def operator_of(trees: Trees, width: int, version: int) -> tuple[str, int, dict[str, Any]]:
    """Return the operator that sums the trees to (N, width), its version, its attributes.

    version: of the domain, where the graph has others of its operators.
    """
    if trees.values.shape[1] == 1 and version >= VERSION:
        own = {"aggregate_function": 1, "post_transform": 0, **_attributes(trees)}
        return "TreeEnsemble", VERSION, {"n_targets": width, **own}
    own = {"aggregate_function": "SUM", **_regressor_attributes(trees)}
    return "TreeEnsembleRegressor", min(version, 3), {"n_targets": width, **own}


def with_trees(model: Any, trees: Trees, width: int) -> Any:
    """Return a copy of a model with other trees, of as many outputs."""
    import onnx
    from onnx import helper

    made = onnx.ModelProto()
    made.CopyFrom(model)
    old = node_of(made.graph)
    (version,) = (o.version for o in made.opset_import if o.domain == DOMAIN)
    operator, _, attributes = operator_of(trees, width, version)
    ends = (list(old.input), list(old.output), old.name)
    old.CopyFrom(helper.make_node(operator, *ends, domain=DOMAIN, **attributes))
    return made


def node_of(graph: Any) -> Any:
    """Return the node of a graph's trees."""
    return next(n for n in graph.node if n.op_type.startswith("TreeEnsemble"))


def from_onnx(node: Any) -> tuple[Trees, int]:
    """Return the trees of a node that sums them, and the width of its output.

    Raises:
        ValueError: it is none of the operators that `operator_of` gives, or not as it gives them.
    """
    from onnx import helper, numpy_helper

    given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    given = {k: numpy_helper.to_array(v) if hasattr(v, "dims") else v for k, v in given.items()}
    summed = all(given.pop(name, kept[0]) in kept for name, kept in SUM.items())
    odd = sorted(set(given) & UNREAD)
    if node.op_type not in ("TreeEnsemble", "TreeEnsembleRegressor") or not summed or odd:
        what = f" ({', '.join(odd)})" if odd else ""
        raise ValueError(f"{node.op_type}: not a plain sum of trees{what}")
    parts = _from_ensemble(given) if node.op_type == "TreeEnsemble" else _from_regressor(given)
    roots, target, strict, arrays = parts
    return in_order(roots, target, strict, **arrays), int(given["n_targets"])


def _from_ensemble(given: dict[str, Any]) -> tuple[Any, Any, bool, dict[str, np.ndarray]]:
    modes = np.unique(given["nodes_modes"])
    if len(modes) != 1 or modes[0] > 1:
        raise ValueError(f"splits of modes {modes.tolist()}; expected all <= or all <")
    inner = len(given["nodes_featureids"])
    leaves = len(given["leaf_targetids"])

    def child(side: str) -> np.ndarray:
        place = np.asarray(given[f"nodes_{side}nodeids"])
        place = place + inner * np.asarray(given[f"nodes_{side}leafs"])
        return np.concatenate([place, np.zeros(leaves, int)])

    left, right = child("true"), child("false")
    roots = np.asarray(given["tree_roots"])
    roots = np.where(left[roots] == right[roots], left[roots], roots)  # a leaf that is a tree
    first = roots.copy()
    while (first < inner).any():
        first = np.where(first < inner, left[first], first)
    arrays = {
        "feature": np.concatenate([given["nodes_featureids"], np.full(leaves, LEAF)]),
        "threshold": np.concatenate([given["nodes_splits"], np.zeros(leaves)]),
        "left": left,
        "right": right,
        "values": np.concatenate([np.zeros(inner), given["leaf_weights"]])[:, None],
        **_missing(given, leaves),
    }
    target = np.asarray(given["leaf_targetids"])[first - inner]
    return roots, target, bool(modes[0] == 1), arrays


def _from_regressor(given: dict[str, Any]) -> tuple[Any, Any, bool, dict[str, np.ndarray]]:
    tree, local = np.asarray(given["nodes_treeids"]), np.asarray(given["nodes_nodeids"])
    roots = np.flatnonzero(local == 0)
    place = roots[tree] if (np.diff(tree) >= 0).all() else None
    modes = set(given["nodes_modes"]) - {b"LEAF"}
    if place is None or not np.array_equal(place + local, np.arange(len(tree))) or len(modes) > 1:
        raise ValueError("trees whose nodes are not numbered in order, or splits of several modes")
    leaf = np.array([mode == b"LEAF" for mode in given["nodes_modes"]])
    values = np.zeros((len(tree), int(given["n_targets"])))
    at = roots[np.asarray(given["target_treeids"])] + np.asarray(given["target_nodeids"])
    values[at, given["target_ids"]] = given["target_weights"]
    arrays = {
        "feature": np.where(leaf, LEAF, given["nodes_featureids"]),
        "threshold": np.asarray(given["nodes_values"]),
        "left": place + np.asarray(given["nodes_truenodeids"]),
        "right": place + np.asarray(given["nodes_falsenodeids"]),
        "values": values,
        **_missing(given, 0),
    }
    return roots, np.zeros(len(roots)), modes == {b"BRANCH_LT"}, arrays


def _missing(given: dict[str, Any], leaves: int) -> dict[str, np.ndarray]:
    """Return where missing values go left, with so many leaves behind; nothing if nowhere."""
    left = np.asarray(given.get(MISSING, []), bool)
    return {"missing": np.concatenate([left, np.zeros(leaves, bool)])} if left.any() else {}


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
    tracks = {}
    if trees.missing is not None:
        left_where = np.concatenate([trees.missing[nodes], np.zeros(len(alone), bool)])
        tracks = {MISSING: left_where.astype(int).tolist()}
    return tracks | {
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
    tracks = {} if trees.missing is None else {MISSING: trees.missing.astype(int).tolist()}
    return tracks | {
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
