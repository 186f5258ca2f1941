"""Which layers a technique's loss comes from: each changed alone, and what that moves."""

import inspect
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tasks.compress import graphs
from tasks.compress.protocol import Context, NotApplicable, Parent, dialect_of
from tasks.core import progress
from tasks.core.plugins import Plugin

ROWS = 256  # that outputs are compared on


class Blame(NamedTuple):
    """A layer, and how far the outputs move where it alone is changed.

    error: root mean square of the difference over that of the outputs' spread, on training rows.
    """

    name: str
    operator: str
    weights: int
    error: float


def by_layer(step: Plugin) -> bool:
    """Return whether a technique can change some layers and leave the others."""
    return "only" in inspect.signature(getattr(step.module, "apply", lambda: None)).parameters


def blamed(parent: Parent, step: Plugin, context: Context) -> list[Blame]:
    """Return the layers that a technique changes, the one that moves the outputs most first."""
    return sorted(_each(parent, step, context), key=lambda b: (-b.error, b.name))


def _each(parent: Parent, step: Plugin, context: Context) -> Iterator[Blame]:
    rows = {name: values[:ROWS] for name, values in context.calibration.items()}
    exact = _logits(graphs.run(graphs.session(parent.graph), rows), context)
    spread = float(exact.std()) or 1.0
    values = graphs.weights(parent.graph.graph)
    layers = [n for n in graphs.flat(parent.graph.graph) if n.input[1] in values]
    dialect = dialect_of([step])
    for at, node in enumerate(layers):
        progress.report(at / len(layers), f"{at + 1} of {len(layers)} layers")
        try:
            made = step.module.apply(parent, step.typed, context, only=[node.name])
        except NotApplicable:  # it leaves this layer as it is
            continue
        moved = _logits(graphs.run(graphs.session(made, dialect=dialect), rows), context) - exact
        error = float(np.sqrt(np.mean(moved**2))) / spread
        yield Blame(node.name, node.op_type, int(np.prod(values[node.input[1]].dims)), error)


def _logits(outputs: np.ndarray, context: Context) -> np.ndarray:
    """Return log probabilities, whose differences count also where one is near 1; or values."""
    outputs = outputs.astype(np.float64)
    return np.log(outputs + 1e-6) if context.meta.task == "classification" else outputs
