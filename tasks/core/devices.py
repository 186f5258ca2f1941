"""Finds a device by asking it, never by an import that works."""

from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from tasks.core.errors import EngineUnavailable
from tasks.core.plugins import plugin

Choice = Literal["auto", "cpu", "cuda"]
CONTEXT_MIB = 512  # a CUDA context with the kernels of cuBLAS and cuDNN, roughly
MIB = 2**20


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
        memory = int(pynvml.nvmlDeviceGetMemoryInfo(handle).total) // MIB
        found.append(Gpu(_text(pynvml.nvmlDeviceGetName(handle)), memory, driver))
    return tuple(found)


class Memory(NamedTuple):
    """The memory of a GPU, MiB, whoever has taken the rest."""

    free_mib: int
    total_mib: int


def memory() -> Memory | None:
    """Return what NVML says of the GPU that libraries take by default; None where it is silent."""
    if not gpus():
        return None
    import pynvml

    try:
        stated = pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(0))
    except pynvml.NVMLError:  # boards that share the CPU's memory do not tell
        return None
    return Memory(int(stated.free) // MIB, int(stated.total) // MIB)


def need_mib(*arrays: Path) -> int:
    """Return the least GPU memory that work on these files takes: their size, and a context."""
    return CONTEXT_MIB + sum(path.stat().st_size for path in arrays) // MIB


def require(need_mib: int) -> None:
    """Check that the GPU can ever have this much free.

    Raises:
        EngineUnavailable: its whole memory is less.
    """
    found = memory() if need_mib else None
    if found and found.total_mib < need_mib:
        raise EngineUnavailable(
            f"the work needs {need_mib:,} MiB of GPU memory or more, and {gpus()[0].name} has "
            f"{found.total_mib:,} MiB. Set `device: cpu` in params.yaml, or give it fewer rows or "
            "features."
        )


def admits(need_mib: int, promised_mib: int) -> bool:
    """Return whether the GPU has memory for a need now.

    Args:
        need_mib: by the work's own estimate; 0 always fits.
        promised_mib: what other work was admitted with, whether or not it has taken it yet.
    """
    found = memory() if need_mib else None
    return found is None or need_mib <= min(found.free_mib, found.total_mib - promised_mib)


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
