"""The least important channels and units taken out, in steps, with fine-tuning after each.

Whole groups of coupled channels go (Fang et al. 2023, arXiv 2301.12900, by torch-pruning), so that
the graph that is left is dense, smaller and faster everywhere. The whole network teaches the rest:
without fine-tuning accuracy falls to chance. Not for a network that is narrow already.
"""

import copy
from collections.abc import Collection, Iterator
from typing import Any

from pydantic import Field

from tasks.compress import networks
from tasks.compress.protocol import Context, NotApplicable, Parent
from tasks.core import progress
from tasks.core.plugins import Plugin, PluginParams
from tasks.nets.tuning import Tuning, taught_by

LIBRARIES = ("numpy", "torch", "torch-pruning")
PRECISION = ""
UNDOES = networks.ZEROS
TEMPERATURE = 1.0  # the outputs as they are: at 3, small networks lose twice as much


class Params(PluginParams):
    """How much goes, in how many steps, and how the rest is fine-tuned."""

    share: float = Field(default=0.5, gt=0, lt=1, description="of each layer's channels, taken out")
    multiple: int = Field(
        default=8, ge=1, description="channels stay a multiple of it: vector units like 8 or 16"
    )
    steps: int = Field(default=2, ge=1, le=100, description="each takes the same share of the rest")
    epochs: int = Field(default=4, ge=0, description="of fine-tuning after each step")
    rate: float = Field(default=0.5, gt=0, description="share of the model's own learning rate")
    teacher: float = Field(
        default=0.5, ge=0, le=1, description="weight of the whole network's outputs in the loss"
    )
    keep: list[networks.LayerName] = Field(
        default_factory=list,
        description="layers with all their channels, by the names that `temper explain` gives",
    )


def applies(parent: Parent) -> str | None:
    """Return None, or why no channels can be taken out."""
    if not getattr(parent.model.module, "CUTS", True):
        return "its channels are coupled through time: `distill` fits a narrower one"
    return networks.unfit(parent)


def passes(params: Params, model: Plugin) -> int:
    """Return how often it goes over the training data."""
    return params.steps * params.epochs


def lessons(params: Params, model: Plugin) -> int:
    """Return how often the teacher goes over it."""
    return passes(params, model) if params.teacher else 0


def shrink(parent: Parent, params: Params, context: Context) -> Any:
    """Return the model without its least important channels.

    Raises:
        NotApplicable: it is too narrow for whole multiples to go.
    """
    model = parent.fitted
    before, goals = _channels(model.module), _goals(model.module, params)
    if goals == before:
        raise NotApplicable(
            f"its layers are too narrow to take out {params.share:.0%} in multiples of "
            f"{params.multiple} channels"
        )
    teacher = taught_by(model.module, params.teacher, TEMPERATURE) if params.teacher else None
    tuning = Tuning(params.epochs, params.rate, objective=teacher)
    for step in range(params.steps):
        done = (step + 1) / params.steps
        now = {n: round(before[n] * (goals[n] / before[n]) ** done) for n in before}
        module = _pruned(model.module, context.data.X[:2], now, params.keep)
        with progress.within(step / params.steps, done):
            model = networks.tuned(networks.with_module(model, module), parent, context, tuning)
    after = _channels(model.module)
    earlier = context.facts.get("prune_structured", {}).get("channels", {})
    first = {name: earlier.get(name, [channels])[0] for name, channels in before.items()}
    channels = {name: [first[name], after[name]] for name in before}
    context.facts["prune_structured"] = {"channels": channels}
    return model


def alone(parent: Parent, params: Params, context: Context) -> Iterator[tuple[str, Any]]:
    """Yield each layer, with those whose channels are coupled to its own, and the model in which
    they alone are cut, not fitted further.
    """
    model, goals = parent.fitted, _goals(parent.fitted.module, params)
    before = _channels(model.module)
    for name, goal in goals.items():
        cut = {**before, name: goal}
        module = _pruned(model.module, context.data.X[:2], cut, params.keep)
        after = _channels(module)
        if fewer := [n for n in before if after[n] < before[n]]:
            yield " + ".join(fewer), networks.with_module(model, module)


def _goals(module: Any, params: Params) -> dict[str, int]:
    """Return how many channels each layer is to have: a multiple, and no more than it has."""
    goals = _channels(module)
    for name, layer in networks.layers(module, params.keep):
        channels = len(layer.weight)
        multiples = max(1, round(channels * (1 - params.share) / params.multiple))
        goals[name] = min(channels, multiples * params.multiple)
    return goals


def _pruned(module: Any, X: Any, goals: dict[str, int], keep: Collection[str]) -> Any:
    """Return a copy of which each layer has that many channels; the outputs, and layers to keep
    with what is coupled to them, are left alone.
    """
    import torch
    from torch_pruning import importance, pruner

    module = copy.deepcopy(module)
    layers = dict(networks.layers(module))
    ratios = {layer: 1 - (goals[n] + 0.5) / len(layer.weight) for n, layer in layers.items()}
    pruner.BasePruner(
        module,
        torch.from_numpy(X),
        importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=0.0,
        pruning_ratio_dict={layer: max(ratio, 0.0) for layer, ratio in ratios.items()},
        ignored_layers=[list(layers.values())[-1], *(layers[name] for name in keep)],
    ).step()
    return module


def _channels(module: Any) -> dict[str, int]:
    return {name: len(layer.weight) for name, layer in networks.layers(module)}
