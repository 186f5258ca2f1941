"""The processor's name, and what it can do."""

import platform
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
INT8 = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8")  # what decides INT8's speed


@cache
def processor() -> tuple[str, tuple[str, ...]]:
    """Return the processor's model name, and what of INT8 it has."""
    model, flags = platform.processor() or platform.machine(), set()
    if CPUINFO.exists():
        for line in CPUINFO.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                model = value.strip()
            elif key.strip() in ("flags", "Features"):
                flags = set(value.split())
                break
    return model, tuple(flag for flag in INT8 if flag in flags)
