"""What models need to run on a GPU, or the command that installs it."""

import importlib
from typing import Any

from tasks.core import extras
from tasks.core.errors import EngineUnavailable

INSTALL = f"install the extra `gpu` ({extras.install('gpu')})"


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
