"""Layers that lose too much kept as they were, until the drop is surely small enough.

It follows a technique that works layer by layer on the graph (`ptq_int8`, `ptq_int4`, `fp16`,
`bf16`). Each layer is changed alone to find its part in the loss; those of the largest part stay in
float32, as few as the bound on the drop asks for, on the training rows that the fit kept back (on
all of them, where a model was fitted elsewhere): the judged rows choose nothing.
Not for a drop that all layers share, which costs most of the gain.
"""

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from tasks.compress import drops, graphs, layers
from tasks.compress.protocol import Context, NotApplicable, Parent, dialect_of
from tasks.core import scoring
from tasks.core.plugins import PluginParams, plugin

if TYPE_CHECKING:
    import onnx

LIBRARIES = ("numpy", "onnx", "onnxruntime", "scipy")
PRECISION = ""
NO_LAYERS = "it puts layers of the technique before it back as they were"


class Params(PluginParams):
    """How small the drop must be."""

    max_drop: float = Field(
        default=0.02,
        gt=0,
        description="bound (95 %) of the drop on the rows kept back, as a share of the metric",
    )


def applies(parent: Parent) -> str | None:
    """Return None, or why there are no layers to keep."""
    if parent.last is not None and layers.by_layer(parent.last[1]):
        return None
    why = "it follows a technique that works layer by layer (ptq_int8, ptq_int4, fp16, bf16)"
    return why + _instead(parent.earlier[-1]) if parent.earlier else why


def _instead(name: str) -> str:
    """Return what leaves layers as they are where another technique comes before."""
    keeps = "keep" in plugin("technique", name).Params.model_fields
    return f"; {name} leaves layers as they are by its param `keep`" if keeps else ""


def apply(parent: Parent, params: Params, context: Context) -> "onnx.ModelProto":
    """Return the graph with as few layers kept in float32 as the bound asks for.

    Raises:
        NotApplicable: the bound does not hold even with one layer changed, or not without any loss:
            the rows are too few.
    """
    assert parent.last is not None
    if context.brief:
        return parent.graph
    before, step = parent.last
    limit = _Limit(before, params.max_drop, context, dialect_of([step]))
    if limit.holds(parent.graph):
        context.facts["repair"] = limit.facts(parent.graph, [])
        return parent.graph
    if not limit.holds(before.graph):
        raise NotApplicable(
            f"too few rows: on the {limit.rows} kept back even no loss at all has a bound of "
            f"{limit.share(before.graph):.2%}, more than max_drop ({params.max_drop:.2%}); raise "
            "max_drop"
        )
    order = [b.name for b in layers.blamed(before, step, context)]

    def without(count: int) -> "onnx.ModelProto":
        return step.module.apply(before, step.typed, context, only=order[count:])

    low, high = 1, len(order)  # layers kept: the fewest that may do, and one too many
    found: onnx.ModelProto | None = None
    while low < high:
        count = (low + high) // 2
        made = without(count)
        if limit.holds(made):
            found, high = made, count
        else:
            low = count + 1
    if found is None:
        raise NotApplicable(
            f"no layer can be changed with a drop of surely less than {params.max_drop:.2%} on the "
            f"{limit.rows} rows kept back; raise max_drop"
        )
    facts = limit.facts(found, order[:high])
    facts |= {"of": len(order), "bytes_before": len(graphs.serialise(parent.graph))}
    context.facts["repair"] = facts
    return found


class _Limit:
    """What a graph may lose, on the rows kept back."""

    def __init__(
        self, before: Parent, max_drop: float, context: Context, dialect: str | None
    ) -> None:
        self.feed, self.y = context.hold(before)
        self.context, self.dialect = context, dialect
        self.exact = self._predicted(before.graph)
        self.metric = drops.measure(context.metric, context.meta)
        value = self.metric.module.score(self.y, self.exact)
        self.value = abs(float(value))
        self.allowed = max_drop * self.value
        self.rows = len(self.y)

    def _predicted(self, graph: "onnx.ModelProto") -> np.ndarray:
        found = graphs.run(graphs.session(graph, dialect=self.dialect), self.feed)
        return scoring.plain(self.context.meta.task, found)

    def bound(self, graph: "onnx.ModelProto") -> float:
        found = drops.drops(self.y, self.exact, self._predicted(graph), [self.metric], seed=0)
        stated = found.get(self.metric.name)
        return stated["bound"] if stated else np.inf

    def share(self, graph: "onnx.ModelProto") -> float:
        """Return the bound as a share of the metric."""
        return self.bound(graph) / self.value if self.value else np.inf

    def holds(self, graph: "onnx.ModelProto") -> bool:
        return self.bound(graph) <= self.allowed

    def facts(self, graph: "onnx.ModelProto", kept: list[str]) -> dict:
        return {
            "kept_in_float": kept,
            "bound": self.bound(graph),
            "allowed": self.allowed,
            "rows": self.rows,
            "bytes": len(graphs.serialise(graph)),
        }
