"""Finds a device by asking it, never by an import that works."""

from functools import cache
from typing import Literal, NamedTuple

from tasks.core.errors import EngineUnavailable
from tasks.core.plugins import plugin

Choice = Literal["auto", "cpu", "cuda"]


class Gpu(NamedTuple):
    """An NVIDIA GPU as NVML names it."""

    name: str
    memory_mib: int
    driver: str


@cache
def gpus() -> tuple[Gpu, ...]:
    """Return the NVIDIA GPUs of this machine; empty where there is no driver or none is visible."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    driver = _text(pynvml.nvmlSystemGetDriverVersion())
    found = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        memory = int(pynvml.nvmlDeviceGetMemoryInfo(handle).total) // 2**20
        found.append(Gpu(_text(pynvml.nvmlDeviceGetName(handle)), memory, driver))
    return tuple(found)


def resolve(choice: Choice) -> Literal["cpu", "cuda"]:
    """Return the device to work on.

    Raises:
        EngineUnavailable: `cuda` was demanded and there is no NVIDIA GPU.
    """
    if choice == "cpu":
        return "cpu"
    if gpus():
        return "cuda"
    if choice == "cuda":
        raise EngineUnavailable(
            "device: cuda was demanded, and NVML finds no NVIDIA GPU here. Set `device: auto` or "
            "`device: cpu` in params.yaml, or see `temper doctor`."
        )
    return "cpu"


class Place(NamedTuple):
    """The device that a model is fitted on, and in words why where it is not the one given."""

    device: str
    note: str | None = None


def place(model: str, device: str, demanded: bool = False) -> Place:
    """Return the device that a model plugin is fitted on; `device` is what the machine has.

    A model without any GPU implementation runs on the CPU all the same; one whose GPU library is
    missing does so only where params do not demand `cuda` by name.

    Raises:
        EngineUnavailable: the GPU was demanded, and the library that the model needs is missing.
    """
    if device != "cuda":
        return Place(device)
    module = plugin("model", model)
    if not hasattr(module, "gpu_missing"):
        return Place("cpu", f"{model} runs on the CPU: it has no GPU implementation")
    reason = module.gpu_missing()
    if reason is None:
        return Place("cuda")
    if demanded:
        raise EngineUnavailable(
            f"{model}: device cuda was asked for, but {reason}, or set `device: auto`"
        )
    return Place("cpu", f"{model} runs on the CPU: {reason}")


def placed(model: str, device: str, demanded: bool = False) -> Place:
    """Return what `place` says; on a GPU asked in a child: some libraries take it on import."""
    if device != "cuda":
        return place(model, device, demanded)
    from tasks.core import child

    return child.run(place, model, device, demanded, label=f"{model}: its device").value


def device_class(device: str) -> str:
    """Return what of a device matters to results: `cpu`, or the GPU's name."""
    return f"cuda {gpus()[0].name}" if device == "cuda" else device


def _text(value: "str | bytes") -> str:
    return value.decode() if isinstance(value, bytes) else value
