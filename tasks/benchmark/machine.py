"""What a latency was measured on: processor, memory, system, versions, GPU; never the host's
name."""

import os
import platform
from pathlib import Path
from typing import Any

from tasks.core.processor import processor

GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def describe(libraries: tuple[str, ...]) -> dict[str, Any]:
    """Return the machine's description, with the versions of those libraries that are installed."""
    import psutil

    from tasks.core import devices

    model, flags = processor()
    return {
        "cpu": model,
        "cpu_flags": list(flags),
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_mib": psutil.virtual_memory().total // 2**20,
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": versions(libraries),
        "gpus": [gpu._asdict() for gpu in devices.gpus()],
        "governor": GOVERNOR.read_text().strip() if GOVERNOR.exists() else None,
    }


def identity() -> str:
    """Return what of a machine decides its latencies: processor, what it has for INT8 (one model
    name stands for several), cores, memory in GiB, GPUs.

    Measurements are kept for it, and made again elsewhere.
    """
    import psutil

    from tasks.core import devices

    model, flags = processor()
    memory_gib = round(psutil.virtual_memory().total / 2**30)
    gpus = [f"{gpu.name} {gpu.driver}" for gpu in devices.gpus()]
    return ", ".join([model, *flags, f"{os.cpu_count()} cores", f"{memory_gib} GiB", *gpus])


def versions(libraries: tuple[str, ...]) -> dict[str, str]:
    """Return the installed version of each library, without those that are not here."""
    from importlib import metadata

    found = {}
    for name in sorted(set(libraries)):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
