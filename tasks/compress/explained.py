"""What each technique of a recipe moves, and which layers that comes from."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tasks.compress import applying, fitted_layers, graphs, layers
from tasks.compress.layers import Blame
from tasks.compress.protocol import Context, NotApplicable, Parent, dialect_of
from tasks.core.plugins import Plugin
from tasks.core.prepared import Prepared

if TYPE_CHECKING:
    import onnx

REPAIRED = "Each is changed alone. `repair` after the technique keeps the worst in float32."
KEPT = "Each is changed alone. The technique's param `keep` leaves layers as they were."
UNFITTED = "Each is changed alone, and nothing fitted. The param `keep` leaves layers as they were."
INSIDE = (
    "`output`: how far what it gives is from what it gave, in the variant, where all are changed "
    "and fitted further."
)
TOGETHER = (
    "All are fitted further together, none can be changed alone: in their order, how far what each "
    "gives is from what it gave. Where that rises, the loss begins."
)
UNKNOWN = "it does not say how it changes one layer and leaves the others"


class Told(NamedTuple):
    """What one technique of a recipe did.

    moved: how far the outputs are from those in fp32 after it, in shares of their spread (None:
    unknown); unfitted: likewise before it fitted further; way: how its `layers` were found; milder:
    where it has none, its params and some that change less, each with how far it moves the outputs
    of what the technique was given; why: it has none of both.
    """

    technique: str
    moved: float | None = None
    unfitted: float | None = None
    way: str = ""
    layers: Sequence[Blame] = ()
    milder: Sequence[tuple[dict[str, Any], float]] = ()
    why: str = ""


def told(
    recipe: list[Plugin],
    start: Parent,
    variant: "onnx.ModelProto | None",
    context: Context,
    data: Prepared,
    tolerance: float,
) -> list[Told]:
    """Return what each technique of a recipe did.

    Those before the last are applied anew; what the last made is the `variant` (None: no graph).
    """
    recipes = _Recipe(start, context, data, tolerance)
    parent, found = start, []
    for at, step in enumerate(recipe):
        before, graph = parent, variant
        if at < len(recipe) - 1:
            parent = recipes.applied(step, before)
            if parent is before:
                found.append(Told(step.name, why=context.facts[step.name]["left_out"]))
                continue
            graph = parent.graph
        if graph is None:
            found.append(Told(step.name, why=_why(step)))
        else:
            found.append(recipes.told(step, before, graph, dialect_of(recipe[: at + 1])))
    return found


class _Recipe:
    """What the techniques of a recipe start from, and the outputs that theirs are held against."""

    def __init__(self, start: Parent, context: Context, data: Prepared, tolerance: float) -> None:
        self.start, self.context, self.data, self.tolerance = start, context, data, tolerance
        self.feed = layers.rows(context)
        self.exact = self._outputs(start.graph)

    def applied(self, step: Plugin, before: Parent) -> Parent:
        return applying.applied(
            [step], before, self.context, self.data, self.tolerance, follows=True
        )

    def told(
        self, step: Plugin, before: Parent, graph: "onnx.ModelProto", dialect: str | None
    ) -> Told:
        """Return what one of them did, which made that graph of what was before."""
        moved = layers.moved(self._outputs(graph, dialect), self.exact, self.context)
        one, module = Told(step.name, moved), step.module
        if layers.by_layer(step):
            return one._replace(way=REPAIRED, layers=layers.blamed(before, step, self.context))
        if hasattr(module, "milder"):
            return one._replace(milder=self._milder(step, before))
        if hasattr(module, "NO_LAYERS") or not hasattr(module, "shrink"):
            return one._replace(why=_why(step))
        fits = applying.passes(step, before.model) > 0
        inside = fitted_layers.compared(before, step, graph, self.context) if fits else {}
        if not hasattr(module, "alone"):
            found = fitted_layers.told(before, inside)
            return one._replace(way=TOGETHER, layers=found, why="" if found else UNKNOWN)
        way = UNFITTED if fits else KEPT
        return one._replace(
            way=f"{way} {INSIDE}" if inside else way,
            layers=fitted_layers.alone(before, step, inside, self.context),
            unfitted=self._unfitted(step, before) if fits else None,
        )

    def _outputs(self, graph: "onnx.ModelProto", dialect: str | None = None) -> np.ndarray:
        return graphs.run(graphs.session(graph, dialect=dialect), self.feed)

    def _unfitted(self, step: Plugin, before: Parent) -> float:
        """Return how far the outputs would be from those in fp32 if nothing were fitted further."""
        X = self.context.calibration_X[: layers.ROWS]
        model = fitted_layers.unfitted(before, step, self.context)
        exact = self.start.model.module.predict(self.start.fitted, X)
        return layers.moved(before.model.module.predict(model, X), exact, self.context)

    def _milder(self, step: Plugin, before: Parent) -> list[tuple[dict[str, Any], float]]:
        exact, found = self._outputs(before.graph), []
        milder = step.module.milder(step.typed)
        own = {name: getattr(step.typed, name) for params in milder for name in params}
        for params in [own, *milder]:
            try:
                made = self.applied(step.with_params(**params), before).graph
            except NotApplicable:  # so mild that nothing changes
                continue
            found.append((params, layers.moved(self._outputs(made), exact, self.context)))
        return found


def _why(step: Plugin) -> str:
    return getattr(step.module, "NO_LAYERS", UNKNOWN)
