"""Linear layers as two thinner ones, by their largest singular values; then fine-tuning.

W (out, in) ~ B A with A (rank, in) and B (out, rank): fewer weights where rank < out in / (out +
in). Not for convolutions, nor for layers whose singular values are all of a size (small, well
trained ones): they are left as they are.
"""

import copy
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from tasks.compress import networks
from tasks.compress.protocol import Context, NotApplicable, Parent
from tasks.core.plugins import Plugin, PluginParams
from tasks.nets.tuning import Tuning

LIBRARIES = ("numpy", "torch")
PRECISION = ""
UNDOES = networks.ZEROS
MOST = 0.8  # of a layer's weights in the two that stand for it: for less gain it is left alone


class Params(PluginParams):
    """How exact the two are, and how they are fine-tuned."""

    energy: float = Field(
        default=0.95, gt=0, lt=1, description="share of a layer's squared singular values kept"
    )
    epochs: int = Field(default=3, ge=0, description="of fine-tuning")
    rate: float = Field(default=0.25, gt=0, description="share of the model's own learning rate")
    keep: list[networks.LayerName] = Field(
        default_factory=list,
        description="layers left as they are, by the names that `temper explain` gives",
    )


applies = networks.unfit


def passes(params: Params, model: Plugin) -> int:
    """Return how often it goes over the training data."""
    return params.epochs


def shrink(parent: Parent, params: Params, context: Context) -> Any:
    """Return the model with its linear layers in two, where that saves weights."""
    from torch import nn

    module = copy.deepcopy(parent.fitted.module)
    ranks = {}
    for name, layer in networks.layers(module, params.keep):
        if isinstance(layer, nn.Linear) and (pair := _pair(layer, params.energy)):
            module.set_submodule(name, pair)
            ranks[name] = pair[0].out_features
    if not ranks:
        raise NotApplicable(
            f"no linear layer gets smaller at {params.energy:.0%} of its squared singular values"
        )
    context.facts["low_rank"] = {"ranks": ranks}
    model = networks.with_module(parent.fitted, module)
    return networks.tuned(model, parent, context, Tuning(params.epochs, params.rate))


def alone(parent: Parent, params: Params, context: Context) -> Iterator[tuple[str, Any]]:
    """Yield each layer with the model in which that one alone is in two, not fitted further."""
    whole = shrink(parent, params.model_copy(update={"epochs": 0}), context).module
    for name in context.facts["low_rank"]["ranks"]:
        module = copy.deepcopy(parent.fitted.module)
        module.set_submodule(name, whole.get_submodule(name))
        yield name, networks.with_module(parent.fitted, module)


def _pair(layer: Any, energy: float) -> Any:
    """Return the two layers that stand for one, or None where they have hardly fewer weights."""
    import torch
    from torch import nn

    U, S, V = torch.linalg.svd(layer.weight.detach().double(), full_matrices=False)
    kept = torch.cumsum(S**2, 0) / torch.sum(S**2)
    rank = int(torch.searchsorted(kept, energy)) + 1
    outputs, inputs = layer.weight.shape
    if rank * (inputs + outputs) > MOST * inputs * outputs:
        return None
    root = S[:rank].sqrt()
    first, second = (
        nn.Linear(inputs, rank, bias=False),
        nn.Linear(rank, outputs, bias=layer.bias is not None),
    )
    first.weight.data = (root[:, None] * V[:rank]).float().contiguous()
    second.weight.data = (U[:, :rank] * root).float().contiguous()
    if layer.bias is not None:
        second.bias.data = layer.bias.detach().clone()
    return nn.Sequential(first, second)
