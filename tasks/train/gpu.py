"""Which models run on a GPU, and with what: asked for, or refused with the install command."""

import importlib
from typing import Any

from tasks.core.errors import EngineUnavailable
from tasks.core.plugins import plugin

INSTALL = "install the `gpu` extra (pip install -c constraints.txt 'temper[gpu]')"


def device_for(name: str, device: str, demanded: bool = False) -> tuple[str, str | None]:
    """Return the device that model `name` runs on, and why where it is not the one given.

    `device` is what the machine has (`cpu` or `cuda`); `demanded`: the params ask for `cuda` by
    name. A model without any GPU implementation runs on the CPU all the same; one whose GPU library
    is missing does so only where the GPU was not demanded.

    Raises:
        EngineUnavailable: the GPU was demanded, and the library that the model needs is missing.
    """
    module = plugin("model", name)
    if device != "cuda":
        return device, None
    if not hasattr(module, "gpu_missing"):
        return "cpu", f"{name}: on the CPU: it has no GPU implementation"
    reason = module.gpu_missing()
    if reason is None:
        return "cuda", None
    if demanded:
        raise EngineUnavailable(f"{name}: device cuda was asked for, but {reason}")
    return "cpu", f"{name}: on the CPU: {reason}"


def cuml_missing() -> str | None:
    """Return None where cuML can be imported, else what to do about it."""
    try:
        importlib.import_module("cuml")
    except ImportError:
        return f"cuML is not installed; {INSTALL}"
    return None


def cuml(module: str) -> Any:
    """Return a module of cuML.

    Raises:
        EngineUnavailable: it is not installed.
    """
    reason = cuml_missing()
    if reason:
        raise EngineUnavailable(f"device cuda: {reason}, or set `device: cpu`")
    return importlib.import_module(f"cuml.{module}")
