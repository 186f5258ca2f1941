"""Finds a device by asking it, never by an import that works."""

from functools import cache
from typing import Literal, NamedTuple

from tasks.core.errors import EngineUnavailable

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


def device_class(device: str) -> str:
    """Return what of a device matters to results: `cpu`, or the GPU's name."""
    return f"cuda {gpus()[0].name}" if device == "cuda" else device


def _text(value: "str | bytes") -> str:
    return value.decode() if isinstance(value, bytes) else value
