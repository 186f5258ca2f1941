"""Samples a GPU while work runs on it: utilisation, memory, temperature and power, through NVML."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MIB = 2**20


@contextmanager
def sampling(
    device: str, every_s: float = 0.5, index: int = 0, nvml: Any = None
) -> Iterator[list[dict[str, float]] | None]:
    """Give a list that fills with samples of the GPU while the block runs; None without a GPU.

    A sample: `s` since the start, `utilisation` (0 to 1), `memory_mib`, `temperature_c`, `power_w`;
    what the device does not state is left out. `nvml` stands in for the module `pynvml` in tests.
    """
    handle = None
    if device.startswith("cuda"):
        nvml, handle = _open(nvml, index)
    if handle is None:
        yield None
        return
    samples: list[dict[str, float]] = []
    done = threading.Event()
    started = time.monotonic()

    def watch() -> None:
        while True:
            samples.append({"s": round(time.monotonic() - started, 2), **sample(nvml, handle)})
            if done.wait(every_s):
                return

    thread = threading.Thread(target=watch, name="gpu-telemetry", daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()
        nvml.nvmlShutdown()


def sample(nvml: Any, handle: Any) -> dict[str, float]:
    """Return what the device states of itself now."""
    questions = {
        "utilisation": lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100,
        "memory_mib": lambda: round(nvml.nvmlDeviceGetMemoryInfo(handle).used / MIB, 1),
        "temperature_c": lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
        "power_w": lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000,
    }
    answers = {}
    for name, ask in questions.items():
        try:
            answers[name] = float(ask())
        except nvml.NVMLError:  # vGPUs and some boards do not tell everything
            continue
    return answers


def _open(nvml: Any, index: int) -> tuple[Any, Any]:
    """Return the NVML module and the device's handle; (None, None) where NVML does not answer."""
    if nvml is None:
        try:
            import pynvml as nvml
        except ImportError:
            return None, None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None, None
    try:
        return nvml, nvml.nvmlDeviceGetHandleByIndex(index)
    except nvml.NVMLError:
        nvml.nvmlShutdown()
        return None, None
