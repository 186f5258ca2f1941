"""Plugins: one file each in their kind's folder; the file's name is the plugin's name.

A plugin is a module. It has a `Params` class (a `PluginParams`) with its defaults, the functions of
its kind's protocol, and optionally `LIBRARIES` (names of the distributions whose version matters
to its results), `available()` (None, or why it cannot be used here and what to install) and
`uses(params)` (other plugins that it runs, which are part of its key in the cache).
"""

import difflib
import importlib
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ConfigDict

from tasks.core.errors import ParamsError

KINDS = {
    "dataset": "tasks.ingest.datasets",
    "clean_step": "tasks.clean.steps",
    "recipe": "tasks.features.recipes",
    "split": "tasks.features.splits",
    "model": "tasks.train.models",
    "metric": "tasks.compare.metrics",
    "technique": "tasks.compress.techniques",
    "engine": "tasks.benchmark.engines",
    "device": "tasks.recommend.devices",
}
ROOT = Path(__file__).parents[2]


class PluginParams(BaseModel):
    """The base of every plugin's and every step's parameters: frozen, and unknown names are
    errors.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Plugin(PluginParams):
    """A plugin that params name, with its parameters: what a task takes as an argument.

    The cache key of the task holds the plugin's code (with all it imports), its parameters, and the
    versions of the libraries that it declares.
    """

    kind: str
    name: str
    params: dict[str, Any] = {}

    @property
    def module(self) -> ModuleType:
        return plugin(self.kind, self.name)

    def with_params(self, **params: Any) -> "Plugin":
        """Return the plugin with other parameters laid over its own."""
        return Plugin(kind=self.kind, name=self.name, params={**self.params, **params})

    @property
    def typed(self) -> Any:
        """Return the plugin's own `Params`, validated; a plugin without any takes none."""
        return getattr(self.module, "Params", PluginParams)(**self.params)


@cache
def names(kind: str) -> tuple[str, ...]:
    """Return the names of all plugins of a kind: the files in its folder."""
    folder = ROOT.joinpath(*KINDS[kind].split("."))
    return tuple(sorted(p.stem for p in folder.glob("*.py") if not p.stem.startswith("_")))


def plugin(kind: str, name: str) -> ModuleType:
    """Return the module of the plugin `name`.

    Raises:
        ParamsError: there is no such plugin; the message has the known names and the nearest.
    """
    if name not in names(kind):
        raise ParamsError(unknown(f"{kind} {name!r}", name, names(kind)))
    return importlib.import_module(f"{KINDS[kind]}.{name}")


def unavailable(kind: str, name: str) -> str | None:
    """Return None where the plugin can be used here, else why not and what to do about it."""
    check = getattr(plugin(kind, name), "available", None)
    return check() if check else None


def unknown(what: str, name: str, known: "tuple[str, ...] | list[str]") -> str:
    """Return the message for an unknown name: did-you-mean and all the known ones."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {what}.{hint} Known: {', '.join(known) or 'none'}."
