"""An empty network brought to the shapes of weights that belong to a compressed one."""

from typing import Any


def follow(module: Any, state: dict[str, Any]) -> None:
    """Give a network's layers the shapes that its weights have in `state`, before it is loaded.

    Channels and units may be fewer (`prune_structured`), and a linear layer may be two
    (`low_rank`). What has another shape and is no such layer is left: loading it says so.
    """
    from torch import nn

    for name, layer in list(module.named_modules()):
        if isinstance(layer, nn.Linear) and f"{name}.0.weight" in state:
            pair = [_linear(state, f"{name}.{at}") for at in (0, 1)]
            module.set_submodule(name, nn.Sequential(*pair))
            continue
        weight = state.get(f"{name}.weight")
        if weight is None or weight.shape == layer.weight.shape:
            continue
        if isinstance(layer, nn.Linear):
            layer.out_features, layer.in_features = weight.shape
        elif isinstance(layer, nn.Conv1d | nn.Conv2d):
            alone = layer.groups == layer.in_channels == layer.out_channels
            layer.groups = len(weight) if alone else layer.groups
            layer.out_channels, layer.in_channels = len(weight), weight.shape[1] * layer.groups
        elif isinstance(layer, nn.BatchNorm2d):
            layer.num_features = len(weight)
        else:
            continue
        for tensors in (layer._parameters, layer._buffers):
            for key, tensor in tensors.items():
                if tensor is not None and f"{name}.{key}" in state:
                    tensor.data = tensor.data.new_empty(state[f"{name}.{key}"].shape)


def _linear(state: dict[str, Any], name: str) -> Any:
    """Return a linear layer of the shape that its weight has in `state`, (output, input)."""
    from torch import nn

    weight = state[f"{name}.weight"]
    return nn.Linear(weight.shape[1], len(weight), bias=f"{name}.bias" in state)
