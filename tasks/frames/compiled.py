"""The compiled kernels, kept in the user's private home: compiling costs more than the work on 5
million rows.
"""

import importlib.util
from functools import cache
from types import ModuleType

from tasks.core.home import subfolder


def unavailable() -> str | None:
    """Return None where numba is installed, else what to do about it."""
    if importlib.util.find_spec("numba"):
        return None
    return "numba is not installed: pip install numba."


@cache
def kernels() -> ModuleType:
    """Return `tasks.frames.kernels`, whose functions keep their machine code in `.temper/numba`.

    The files of numba's cache run code when they are read, as any compiled code does. So they lie
    in the home (0700, nobody else's, nothing that is pushed or shared), never beside the source.
    """
    from numba import config

    from tasks.frames import kernels as module

    before = config.CACHE_DIR  # type: ignore[attr-defined]  # numba sets its settings at run time
    config.CACHE_DIR = str(subfolder("numba"))  # type: ignore[attr-defined]
    try:
        for kernel in module.KERNELS:
            kernel.enable_caching()
    finally:
        config.CACHE_DIR = before  # type: ignore[attr-defined]
    return module
