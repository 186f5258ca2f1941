"""Which layers a technique's loss comes from: each changed alone, and what that moves."""

import inspect
import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.compress import graphs
from tasks.compress.protocol import Context, NotApplicable, Parent, dialect_of
from tasks.core import progress
from tasks.core.plugins import Plugin

if TYPE_CHECKING:
    import onnx

ROWS = 256  # that outputs are compared on


class Blame(NamedTuple):
    """A layer, and how far the outputs move where it alone is changed.

    error: root mean square of the difference over that of the outputs' spread, on training rows;
    None: it cannot be changed alone. inside: how far the layer's own output is from its parent's
    where all layers are changed and fitted further, likewise; None: not known.
    """

    name: str
    operator: str
    weights: int
    error: float | None
    inside: float | None = None


def by_layer(step: Plugin) -> bool:
    """Return whether a technique can change some layers of a graph and leave the others."""
    return "only" in inspect.signature(getattr(step.module, "apply", lambda: None)).parameters


def blamed(parent: Parent, step: Plugin, context: Context) -> list[Blame]:
    """Return the layers that a technique changes, the one that moves the outputs most first."""
    return worst_first(_each(parent, step, context))


def worst_first(found: Iterable[Blame]) -> list[Blame]:
    """Return layers by the error that each adds."""
    return sorted(found, key=lambda b: (-(b.error or 0.0), b.name))


def _each(parent: Parent, step: Plugin, context: Context) -> Iterator[Blame]:
    feed = rows(context)
    exact = graphs.run(graphs.session(parent.graph), feed)
    sizes = _sizes(parent.graph.graph)
    layers = [n for n in graphs.of_model(parent.graph.graph) if n.name in sizes]
    dialect = dialect_of([step])
    for at, node in enumerate(layers):
        progress.report(at / len(layers), f"{at + 1} of {len(layers)} layers")
        try:
            made = step.module.apply(parent, step.typed, context, only=[node.name])
        except NotApplicable:  # it leaves this layer as it is
            continue
        outputs = graphs.run(graphs.session(made, dialect=dialect), feed)
        error = moved(outputs, exact, context)
        yield Blame(node.name, node.op_type, sizes[node.name], error)


def _sizes(graph: "onnx.GraphProto") -> dict[str, int]:
    """Return how many float32 weights each layer of a model has, without biases."""
    from onnx import TensorProto

    floats = {
        i.name: math.prod(i.dims) for i in graph.initializer if i.data_type == TensorProto.FLOAT
    }
    read = {n.name: n.input[1:2] for n in graphs.of_model(graph) if n.op_type in graphs.WEIGHTED}
    read |= {n.name: n.input[1:3] for n in graphs.of_model(graph) if n.op_type == "LSTM"}
    found = {name: sum(floats.get(i, 0) for i in inputs) for name, inputs in read.items()}
    return {name: size for name, size in found.items() if size}


def rows(context: Context) -> dict[str, np.ndarray]:
    """Return the graph's inputs for the rows that outputs are compared on."""
    return {name: values[:ROWS] for name, values in context.calibration.items()}


def moved(outputs: np.ndarray, exact: np.ndarray, context: Context) -> float:
    """Return how far outputs are from the exact ones, in shares of these's spread."""
    return apart(*(_logits(values, context) for values in (outputs, exact)))


def apart(values: np.ndarray, exact: np.ndarray) -> float:
    """Return the root mean square of a difference over the spread; infinite where not finite."""
    with np.errstate(all="ignore"):
        error = float(np.sqrt(np.mean((values - exact) ** 2)) / (exact.std() or 1.0))
    return error if np.isfinite(error) else np.inf


def _logits(outputs: np.ndarray, context: Context) -> np.ndarray:
    """Return log probabilities, whose differences count also where one is near 1; or values."""
    outputs = outputs.astype(np.float64)
    return np.log(outputs + 1e-6) if context.meta.task == "classification" else outputs
