"""Tree ensembles as other programs write them, as plain sums: what techniques for trees read.

A classifier's probabilities, constants that are added, means and links become nodes of their own.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.tree_graph import DOMAIN
from tasks.train.foreign import checking

if TYPE_CHECKING:
    import onnx

ENSEMBLES = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")
LINKS = {"NONE": "", "LOGISTIC": "Sigmoid", "SOFTMAX": "Softmax"}
TREES = ("treeids", "nodeids", "ids", "weights")  # what leaves give: class_ids, target_ids, …


def stated(model: "onnx.ModelProto", X: np.ndarray) -> "onnx.ModelProto":
    """Return a graph with its ensembles as sums; as it is where they are none.

    X: rows (n, feature) that it has to give the same for.
    """
    import onnx

    graph = model.graph
    if not any(n.op_type in ENSEMBLES for n in graph.node):
        return model
    read = {i for n in graph.node for i in n.input} | {o.name for o in graph.output}
    nodes = [made for node in graph.node for made in _as_sum(node, read)]
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    del changed.graph.node[:]
    changed.graph.node.extend(nodes)
    before, after = (checking.outputs(m.SerializeToString(), X) for m in (model, changed))
    return changed if checking.alike(after, before) else model


def _as_sum(node: Any, read: set[str]) -> list[Any]:
    """Return the nodes that stand for one; itself where it is no sum, or its labels are read."""
    from onnx import helper

    given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    classes = len(given.pop("classlabels_int64s", None) or given.pop("classlabels_strings", []))
    link = LINKS.get(given.pop("post_transform", b"NONE").decode())
    way = given.pop("aggregate_function", b"SUM").decode()
    unknown = link is None or way not in ("SUM", "AVERAGE")
    tensors = any(name.endswith("_as_tensor") for name in given)
    if node.op_type not in ENSEMBLES or unknown or tensors or (classes and node.output[0] in read):
        return [node]
    if classes:
        given |= {f"target_{name}": given.pop(f"class_{name}") for name in TREES}
    ids = given["target_ids"]
    single = classes == 2 and len(set(ids)) == 1  # one score, or probability, of two classes
    width = 1 if single else classes or given["n_targets"]
    if way == "AVERAGE":
        count = len(set(given["nodes_treeids"]))
        given["target_weights"] = [w / count for w in given["target_weights"]]
    base = given.pop("base_values", [])
    given |= {"n_targets": width, "target_ids": [0] * len(ids) if single else ids}
    sums, output = f"{node.output[-1]}/sum", node.output[-1]
    made = [
        helper.make_node(
            "TreeEnsembleRegressor", list(node.input), [sums], node.name, domain=DOMAIN, **given
        )
    ]

    def then(operator: str, *inputs: str, **attributes: Any) -> str:
        made.append(
            helper.make_node(operator, list(inputs), [f"{output}/{len(made)}"], **attributes)
        )
        return made[-1].output[0]

    if len(base):
        sums = then("Add", sums, then("Constant", value_floats=list(base)))
    if link and not (single and link == "Softmax"):
        sums = then(link, sums, **({"axis": 1} if link == "Softmax" else {}))
    if single:
        rest = then("Sub", then("Constant", value_float=1.0), sums)
        sums = then("Concat", rest, sums, axis=1)
    return [*made, helper.make_node("Identity", [sums], [output])]
