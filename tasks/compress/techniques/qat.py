"""Fitted further with the rounding of INT8 in the way: weights that lose less by it.

The network is fitted as it will be quantised (Jacob et al. 2018, arXiv 1712.05877), in float32, and
keeps its shape. `ptq_int8`, which follows in the recipe, makes the graph: as small and as fast as
any other. Not for what INT8 leaves as it is.
"""

from typing import Any

from pydantic import Field

from tasks.compress import networks
from tasks.compress.protocol import Context, Parent
from tasks.core.plugins import Plugin, PluginParams
from tasks.nets.tuning import Tuning, taught_by

LIBRARIES = ("numpy", "torch")
PRECISION = ""
SAME_SHAPE = True
TEMPERATURE = 3.0


class Params(PluginParams):
    """How it is fitted further."""

    epochs: int = Field(default=3, ge=1, description="with rounded weights and activations")
    rate: float = Field(default=0.1, gt=0, description="share of the model's own learning rate")
    teacher: float = Field(
        default=0.5, ge=0, le=1, description="weight of the float network's outputs in the loss"
    )


applies = networks.unfit


def passes(params: Params, model: Plugin) -> int:
    """Return how often it goes over the training data."""
    return params.epochs


def lessons(params: Params, model: Plugin) -> int:
    """Return how often the teacher goes over it."""
    return params.epochs if params.teacher else 0


def shrink(parent: Parent, params: Params, context: Context) -> Any:
    """Return the model with weights that were fitted under rounding."""
    from tasks.nets.rounding import rounded, unrounded

    model = parent.fitted
    objective = taught_by(model.module, params.teacher, TEMPERATURE) if params.teacher else None
    tuning = Tuning(params.epochs, params.rate, objective=objective)
    under = networks.with_module(model, rounded(model.module))
    module = networks.tuned(under, parent, context, tuning).module
    return networks.with_module(model, unrounded(module).eval())
