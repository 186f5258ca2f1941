"""Weights that a network starts from: a .safetensors file with Temper's names or torchvision's."""

import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Any

from tasks.core.errors import ParamsError
from tasks.nets.architectures import MOBILE, VGG

LEAST = 0.9  # share of the weights behind which a file is one of this network; the last layer aside
SHOWN = 4  # of a list


def start_from(module: Any, path: Path, sha256: str | None, name: str) -> str:
    """Load a file's weights that have the name and shape of the network's; return what was taken.

    Names are those that a fitted model is saved under (`network.…`), the same without that, or
    torchvision's of that network. What the file has in another shape starts from nothing: a last
    layer of other classes, a first one of other channels.

    Raises:
        ParamsError: the file is not there, is another one, or lacks a tenth of the weights.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    where = f"train.models.{name}.weights"
    try:
        content = path.expanduser().read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise ParamsError(
                f"{where}: {path} has sha256 {found}, expected {sha256}; set weights_sha256 to it "
                "if this is the file meant"
            )
        given = {k.removeprefix("network."): v for k, v in load(content).items()}
    except (OSError, SafetensorError) as error:
        raise ParamsError(f"{where}: {path} cannot be read ({error})") from None
    own = module.state_dict()
    theirs = renamed(given, module, name)
    given = theirs or given
    single = {k: v.reshape(()) for k, v in given.items() if v.numel() == 1}  # counts, say
    given |= {k: v for k, v in single.items() if k in own and not own[k].ndim}
    shared = {k: v for k, v in given.items() if k in own and own[k].shape == v.shape}
    lacking = [k for k in own if k not in shared]
    _check(own, given, shared, f"{where}: {path}", torchvision(name))
    with torch.no_grad():
        for key, value in shared.items():
            own[key].copy_(value)
    new = f"; from nothing: {', '.join(lacking[:SHOWN])}{' …' * (len(lacking) > SHOWN)}"
    names = " (torchvision's names)" if theirs else ""
    return f"{len(shared)} of {len(own)} tensors of {path.name}{names}{new if lacking else ''}"


def _check(
    own: dict[str, Any], given: dict[str, Any], shared: dict[str, Any], where: str, other: list[str]
) -> None:
    """Raise a ParamsError where a file has hardly anything of the network's."""
    last = list(own)[-1].rpartition(".")[0]
    wanted = {k: v for k, v in own.items() if not k.startswith(f"{last}.")}
    share = sum(v.numel() for k, v in wanted.items() if k in shared)
    share /= sum(v.numel() for v in wanted.values())
    if share >= LEAST:
        return
    lacking = [k for k in wanted if k not in shared and k.endswith("weight")]
    shown = ", ".join(
        f"{k} {tuple(own[k].shape)} (found {tuple(given[k].shape) if k in given else 'none'})"
        for k in lacking[:SHOWN]
    )
    names = f", or torchvision's ({other[0]}.weight …)" if other else ""
    raise ParamsError(
        f"{where} has {share:.0%} of this network's weights, expected {LEAST:.0%} or more; it "
        f"lacks {shown}{' …' * (len(lacking) > SHOWN)}. Set `width` to the file's, or take a file "
        f"with the names of a fitted model's model.safetensors{names}; its own begin with "
        f"{', '.join(list(given)[:3])}"
    )


def renamed(given: dict[str, Any], module: Any, name: str) -> dict[str, Any]:
    """Return tensors by the network's names where they have torchvision's; else nothing.

    A bias of a convolution goes into the mean of the normalisation behind it.
    """
    others = torchvision(name)
    if not others or f"{others[0]}.weight" not in given:
        return {}
    layers = [key.removesuffix(".weight") for key in module.state_dict() if key.endswith("weight")]
    found = {}
    for own, other in zip(layers, others, strict=False):
        prefix = f"{other}."
        tensors = {k.removeprefix(prefix): v for k, v in given.items() if k.startswith(prefix)}
        found |= {f"{own}.{k}": v for k, v in tensors.items()}
    for own, behind in pairwise(layers):
        mean = f"{behind}.running_mean"
        if f"{own}.bias" in found and f"{own}.bias" not in module.state_dict() and mean in found:
            found[mean] = found[mean] - found.pop(f"{own}.bias")
    return found


def torchvision(name: str) -> list[str]:
    """Return torchvision's names of a network's layers with weights, in the order of ours.

    VGG's are those with batch normalisation (`vgg16_bn`), without the hidden layers, which differ.
    """
    if name == "resnet18":
        layers = ["conv1", "bn1"]
        for stage in range(1, 5):
            for block in range(2):
                kinds = ["conv1", "bn1", "conv2", "bn2"]
                kinds += ["downsample.0", "downsample.1"] if stage > 1 and block == 0 else []
                layers += [f"layer{stage}.{block}.{kind}" for kind in kinds]
        return [*layers, "fc"]
    if name == "mobilenet_v2":
        layers = ["features.0.0", "features.0.1"]
        widths = [expand for expand, _, count, _ in MOBILE for _ in range(count)]
        for number, expand in enumerate(widths, 1):
            wider = ["0.0", "0.1", "1.0", "1.1", "2", "3"]
            kinds = wider if expand > 1 else ["0.0", "0.1", "1", "2"]
            layers += [f"features.{number}.conv.{kind}" for kind in kinds]
        last = f"features.{len(widths) + 1}"
        return [*layers, f"{last}.0", f"{last}.1", "classifier.1"]
    if name in ("vgg16", "vgg19"):
        layers, at = [], 0
        for count in VGG[int(name.removeprefix("vgg"))]:
            for _ in range(count):  # convolution, normalisation, ReLU
                layers += [f"features.{at}", f"features.{at + 1}"]
                at += 3
            at += 1  # the pooling
        return layers
    return []
