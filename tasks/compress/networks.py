"""What the techniques for networks share: whether they apply, which layers have weights, tuning."""

import copy
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from tasks.compress.protocol import Context, NotApplicable, Parent
from tasks.nets.tuning import Tuning

LayerName = Annotated[str, Field(coerce_numbers_to_str=True)]  # many are numbers
ZEROS = ("prune_unstructured", "sparse_2_4")  # techniques whose zeros later fits keep


def unfit(parent: Parent) -> str | None:
    """Return None where the model is a network that can be fitted further, else why not."""
    return None if hasattr(parent.model.module, "tune") else "not a network"


def layers(module: Any, keep: Collection[str] = ()) -> list[tuple[str, Any]]:
    """Return the convolutions and linear layers of a network with their names, in order; without
    those to keep as they are.

    Raises:
        NotApplicable: there is no such layer to keep.
    """
    from torch import nn

    kinds = nn.Conv1d | nn.Conv2d | nn.Linear
    found = [(n, m) for n, m in module.named_modules() if isinstance(m, kinds)]
    _known(keep, [name for name, _ in found])
    return [(n, m) for n, m in found if n not in keep]


def weights(module: Any, keep: Collection[str] = ()) -> dict[str, Any]:
    """Return the weights of a network's layers, without biases, by their parameters' names;
    without those of layers to keep as they are.

    Raises:
        NotApplicable: there is no such layer to keep.
    """
    names = {f"{name}.weight" for name, _ in layers(module)}
    found = {n: weight for n, weight in module.named_parameters() if n in names or _inner(n)}
    _known(keep, [layer_of(n) for n in found])
    return {n: weight for n, weight in found.items() if layer_of(n) not in keep}


def layer_of(weight: str) -> str:
    """Return the name of the layer that a weight is of: of Keras's `….dense/kernel`, `dense`."""
    layer, _, last = weight.rpartition(".")
    return last.rpartition("/")[0] or layer


def _known(keep: Collection[str], names: list[str]) -> None:
    if unknown := [name for name in keep if name not in names]:
        raise NotApplicable(
            f"keep: no layer {', '.join(unknown)}; its layers are {', '.join(dict.fromkeys(names))}"
        )


def _inner(name: str) -> bool:
    """Return whether a parameter is a weight of a layer without `weight`: Keras's, or an LSTM."""
    return name.endswith("kernel") or name.split(".")[-1].startswith(("weight_ih", "weight_hh"))


def one_by_one(model: Any, changed: Any) -> Iterator[tuple[str, Any]]:
    """Yield each layer whose weights another model of the same shape has otherwise, with the model
    that has those of that layer alone.
    """
    import torch

    theirs = weights(changed.module)
    differ = [n for n, w in weights(model.module).items() if not torch.equal(w, theirs[n])]
    for name in dict.fromkeys(layer_of(n) for n in differ):
        module = copy.deepcopy(model.module)
        for weight, value in weights(module).items():
            if layer_of(weight) == name:
                value.data.copy_(theirs[weight].detach())
        yield name, with_module(model, module)


def with_module(model: Any, module: Any) -> Any:
    """Return a fitted model with another network in it."""
    weights = sum(p.numel() for p in module.parameters())
    return replace(model, module=module, facts={**model.facts, "weights": weights})


def tuned(model: Any, parent: Parent, context: Context, tuning: Tuning) -> Any:
    """Return a fitted model fitted further on its own training rows; zeros that an earlier
    technique made stay.
    """
    if not tuning.epochs:
        return model
    if set(ZEROS) & set(parent.earlier):
        masks = {n: (w.detach() != 0).float() for n, w in weights(model.module).items()}
        tuning = replace(tuning, masks=masks)
    plugin = parent.model
    return plugin.module.tune(model, plugin.typed, context.data, context.fitting(), tuning)
