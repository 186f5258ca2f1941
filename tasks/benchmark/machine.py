"""What a latency was measured on: processor, memory, system, versions, GPU; never the host's
name."""

import os
import platform
from pathlib import Path
from typing import Any

GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
CPUINFO = Path("/proc/cpuinfo")
INT8 = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")  # what decides INT8's speed


def describe(libraries: tuple[str, ...]) -> dict[str, Any]:
    """Return the machine's description, with the versions of those libraries that are installed."""
    import psutil

    from tasks.core import devices

    model, flags = _processor()
    return {
        "cpu": model,
        "cpu_flags": [f for f in INT8 if f in flags],
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

    model, flags = _processor()
    memory_gib = round(psutil.virtual_memory().total / 2**30)
    gpus = [f"{gpu.name} {gpu.driver}" for gpu in devices.gpus()]
    has = [flag for flag in INT8 if flag in flags]
    return ", ".join([model, *has, f"{os.cpu_count()} cores", f"{memory_gib} GiB", *gpus])


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


def _processor() -> tuple[str, set[str]]:
    model, flags = platform.processor() or platform.machine(), set()
    if CPUINFO.exists():
        for line in CPUINFO.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                model = value.strip()
            elif key.strip() in ("flags", "Features"):
                flags = set(value.split())
                break
    return model, flags
