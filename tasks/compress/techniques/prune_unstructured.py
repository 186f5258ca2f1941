"""The smallest weights of all layers set to zero, in steps, with fine-tuning after each.

Global magnitude (Han et al. 2015, arXiv 1506.02626), on the cubic schedule of Zhu & Gupta 2017
(arXiv 1710.01878). Not for speed, nor for a smaller file: a zero takes the bytes and the time of
any other weight. It packs well (zstd), and INT8 may follow.
"""

import copy
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from tasks.compress import networks
from tasks.compress.protocol import Context, Parent
from tasks.core.plugins import Plugin, PluginParams
from tasks.nets.tuning import Tuning

LIBRARIES = ("numpy", "torch")
PRECISION = ""
SAME_SHAPE = True


class Params(PluginParams):
    """How much goes, in how many steps, and how the rest is fine-tuned."""

    share: float = Field(
        default=0.7, gt=0, lt=1, description="of all weights but those in `keep`, to zero"
    )
    steps: int = Field(default=3, ge=1, le=100, description="from no zeros to all of them")
    epochs: int = Field(default=2, ge=0, description="of fine-tuning after each step")
    rate: float = Field(default=0.25, gt=0, description="share of the model's own learning rate")
    keep: list[networks.LayerName] = Field(
        default_factory=list,
        description="layers left as they are, by the names that `temper explain` gives",
    )


applies = networks.unfit


def passes(params: Params, model: Plugin) -> int:
    """Return how often it goes over the training data."""
    return params.steps * params.epochs


def keeps(params: Params) -> float:
    """Return the share of the weights that do not become 0."""
    return 1 - params.share


def note(params: Params) -> str:
    """Return what the table says of size and speed."""
    return "zeros: only the packed file (zstd) is smaller, and nothing is faster"


def shrink(parent: Parent, params: Params, context: Context) -> Any:
    """Return the model with its smallest weights zero."""
    model = networks.with_module(parent.fitted, copy.deepcopy(parent.fitted.module))
    for step in range(1, params.steps + 1):
        share = params.share * (1 - (1 - step / params.steps) ** 3)
        masks = _masks(model.module, share, params.keep)
        for name, weight in model.module.named_parameters():
            if name in masks:
                weight.data.mul_(masks[name])
        model = networks.tuned(model, parent, context, Tuning(params.epochs, params.rate, masks))
    return model


def alone(parent: Parent, params: Params, context: Context) -> Iterator[tuple[str, Any]]:
    """Yield each layer with the model in which that one alone is changed, not fitted further."""
    whole = shrink(parent, params.model_copy(update={"epochs": 0}), context)
    yield from networks.one_by_one(parent.fitted, whole)


def _masks(module: Any, share: float, keep: list[str]) -> dict[str, Any]:
    """Return for each layer's weight 0 where it is among the smallest of all, else 1."""
    import torch

    weights = {name: w.detach() for name, w in networks.weights(module, keep).items()}
    sizes = torch.cat([w.abs().flatten() for w in weights.values()])
    limit = torch.kthvalue(sizes, max(1, round(share * len(sizes)))).values
    return {name: (weight.abs() > limit).float() for name, weight in weights.items()}
