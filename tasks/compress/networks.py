"""What the techniques for networks share: whether they apply, which layers have weights, tuning."""

from dataclasses import replace
from typing import Any

from tasks.compress.protocol import Context, Parent
from tasks.nets.tuning import Tuning

ZEROS = ("prune_unstructured", "sparse_2_4")  # techniques whose zeros later fits keep


def unfit(parent: Parent) -> str | None:
    """Return None where the model is a network that can be fitted further, else why not."""
    return None if hasattr(parent.model.module, "tune") else "not a network"


def layers(module: Any) -> list[tuple[str, Any]]:
    """Return the convolutions and linear layers of a network with their names, in order."""
    from torch import nn

    kinds = nn.Conv1d | nn.Conv2d | nn.Linear
    return [(n, m) for n, m in module.named_modules() if isinstance(m, kinds)]


def weights(module: Any) -> dict[str, Any]:
    """Return the weights of a network's layers, without biases, by their parameters' names."""
    names = {f"{name}.weight" for name, _ in layers(module)}
    return {n: weight for n, weight in module.named_parameters() if n in names or _inner(n)}


def _inner(name: str) -> bool:
    """Return whether a parameter is a weight of a layer without `weight`: Keras's, or an LSTM."""
    return name.endswith("kernel") or name.split(".")[-1].startswith(("weight_ih", "weight_hh"))


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
