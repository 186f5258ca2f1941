"""Two of each four weights zero, along the inputs: what a GPU's sparse tensor cores skip.

Mishra et al. 2021 (arXiv 2104.08378): the two smallest of each four go, then fine-tuning. NVIDIA
GPUs from Ampere on run such layers up to twice as fast through TensorRT. Not for a CPU, where a
zero takes as long as any weight, nor for layers whose inputs are no multiple of four.
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
SAME_SHAPE = True
GROUP, KEPT = 4, 2


class Params(PluginParams):
    """How the rest is fine-tuned."""

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


def keeps(params: Params) -> float:
    """Return the share of the weights that do not become 0."""
    return 0.5


def note(params: Params) -> str:
    """Return what the table says of the speed."""
    return "2:4 zeros: faster through TensorRT on GPUs from Ampere on; on a CPU nothing is"


def shrink(parent: Parent, params: Params, context: Context) -> Any:
    """Return the model with two of each four weights zero.

    Raises:
        NotApplicable: no layer's inputs are a multiple of four.
    """
    model = networks.with_module(parent.fitted, copy.deepcopy(parent.fitted.module))
    layers = networks.layers(model.module, params.keep)
    masks = {
        f"{name}.weight": _mask(layer.weight.detach())
        for name, layer in layers
        if layer.weight.shape[1] % GROUP == 0
    }
    if not masks:
        raise NotApplicable(f"no layer's inputs are a multiple of {GROUP}")
    context.facts["sparse_2_4"] = {"layers": len(masks), "of": len(layers)}
    for name, weight in model.module.named_parameters():
        if name in masks:
            weight.data.mul_(masks[name])
    return networks.tuned(model, parent, context, Tuning(params.epochs, params.rate, masks))


def alone(parent: Parent, params: Params, context: Context) -> Iterator[tuple[str, Any]]:
    """Yield each layer with the model in which that one alone is changed, not fitted further."""
    whole = shrink(parent, params.model_copy(update={"epochs": 0}), context)
    yield from networks.one_by_one(parent.fitted, whole)


def _mask(weight: Any) -> Any:
    """Return 1 for the two largest of each four weights along the inputs (axis 1), else 0."""
    import torch

    groups = weight.abs().movedim(1, -1).unflatten(-1, (-1, GROUP))  # (…, group, 4)
    order = groups.argsort(dim=-1, descending=True, stable=True)
    mask = torch.zeros_like(groups).scatter_(-1, order[..., :KEPT], 1.0)
    return mask.flatten(-2).movedim(-1, 1).contiguous()
