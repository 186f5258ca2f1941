"""Which layers the loss of a network comes from that was changed, and mostly fitted further.

Fitted further, layers do not stand alone: each adapts to the others. So two things are told: how
far the outputs move where a layer alone is changed and nothing is fitted; and how far each layer's
own output is from its parent's in the network that all of it left, as debuggers of quantised
networks compare activations.
"""

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tasks.compress import graphs, layers, networks
from tasks.compress.layers import Blame
from tasks.compress.protocol import Context, Parent
from tasks.core import progress
from tasks.core.plugins import Plugin

if TYPE_CHECKING:
    import onnx

INSIDE_ROWS = 64  # that inner outputs, which are large, are compared on


def unfitted(parent: Parent, step: Plugin, context: Context) -> Any:
    """Return the model as a technique leaves it before it is fitted further; None: as it was."""
    if not hasattr(step.module, "alone"):
        return None
    return step.module.shrink(parent, step.typed.model_copy(update={"epochs": 0}), context)


def alone(parent: Parent, step: Plugin, inside: dict[str, float], context: Context) -> list[Blame]:
    """Return the layers that a technique changes, the one that moves the outputs most first.

    inside: as `compared` gives it.
    """
    predict, module = parent.model.module.predict, parent.fitted.module
    X = context.calibration_X[: layers.ROWS]
    exact, found = predict(parent.fitted, X), []
    for name, model in step.module.alone(parent, step.typed, context):
        progress.report(0.0, name)
        error = layers.moved(predict(model, X), exact, context)
        found.append(Blame(name, *_about(module, name), error, inside.get(name)))
    return layers.worst_first(found)


def compared(
    parent: Parent, step: Plugin, made: "onnx.ModelProto", context: Context
) -> dict[str, float]:
    """Return how far the output of each layer is from its parent's, in the network's order, in
    shares of its spread; without layers that have other channels.

    made: the graph of what the technique left.
    """
    whole = unfitted(parent, step, context) or parent.fitted
    before, after = (dict(_places(parent, model)) for model in (parent.fitted, whole))
    pairs = {}
    for name, place in before.items():  # a layer, or the last of those that stand for it
        stands = [p for n, p in after.items() if n == name or n.startswith(f"{name}.")]
        if stands:
            pairs[name] = (place, stands[-1])
    if not pairs:  # layers that are Keras's own, say
        return {}
    feed = {name: values[:INSIDE_ROWS] for name, values in layers.rows(context).items()}
    exact = _outputs(parent.graph, [old for old, _ in pairs.values()], feed)
    found = _outputs(made, [new for _, new in pairs.values()], feed)
    return {
        name: layers.apart(found[new], exact[old])
        for name, (old, new) in pairs.items()
        if found[new].shape == exact[old].shape
    }


def told(parent: Parent, inside: dict[str, float]) -> list[Blame]:
    """Return the layers of a network none of which is changed alone, in its order."""
    module = parent.fitted.module
    return [Blame(name, *_about(module, name), None, error) for name, error in inside.items()]


def _about(module: Any, name: str) -> tuple[str, int]:
    """Return the kind of a layer, or of the first of coupled ones ("": one of Keras's), and how
    many weights it has.
    """
    names = name.split(" + ")
    sizes = [
        w.numel() for n, w in networks.weights(module).items() if networks.layer_of(n) in names
    ]
    layer = dict(module.named_modules()).get(names[0])
    return "" if layer is None else type(layer).__name__, sum(sizes)


def _places(parent: Parent, model: Any) -> Iterator[tuple[str, str]]:
    """Yield each layer's name and that of its node in the whole graph: the one whose weights are
    others where the layer's are.
    """
    export = parent.model.module.to_onnx
    usual = {i.name: i.SerializeToString() for i in export(model).graph.initializer}
    for name, _ in networks.layers(model.module):
        module = copy.deepcopy(model.module)
        module.get_submodule(name).weight.data.add_(1.0)
        graph = export(networks.with_module(model, module)).graph
        changed = {i.name for i in graph.initializer if i.SerializeToString() != usual[i.name]}
        nodes = [n for n in graph.node if n.op_type in graphs.WEIGHTED and changed & {*n.input}]
        if nodes:
            yield name, f"{graphs.MODEL}{nodes[-1].name}"


def _outputs(model: "onnx.ModelProto", nodes: list[str], feed: dict[str, Any]) -> dict[str, Any]:
    """Return the outputs of nodes by their names."""
    tensors = {n.name: n.output[0] for n in model.graph.node if n.name in nodes}
    values = graphs.tensors(model, list(tensors.values()), feed)
    return {name: values[tensor] for name, tensor in tensors.items()}
