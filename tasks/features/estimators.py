"""Whose estimators a recipe is fitted with: scikit-learn's, or cuML's on a GPU."""

from importlib import import_module
from typing import Any, Literal

from tasks.core.errors import EngineUnavailable

Library = Literal["scikit-learn", "cuml"]
PACKAGES = {"scikit-learn": "sklearn", "cuml": "cuml"}


def estimator(library: Library, module: str, name: str, where: str) -> Any:
    """Return an estimator's class: both libraries have it by the same name in the same module.

    Args:
        library: whose.
        module: `decomposition`, `preprocessing` …
        name: the class.
        where: the path of the parameter that names the library, for the message.

    Raises:
        EngineUnavailable: cuML is asked for and not installed.
    """
    try:
        return getattr(import_module(f"{PACKAGES[library]}.{module}"), name)
    except ImportError:
        raise EngineUnavailable(
            f"{where}: {library} is not installed; install the `gpu` extra, or set `scikit-learn`"
        ) from None
