"""Puts the difference between two cache keys into words that a user understands."""

from typing import Any

from tasks.core.plugins import ROOT
from tasks.core.trace import MISSING, Difference

PLUGIN_PARAMS = {  # kind: where params.yaml has the params of such a plugin
    "dataset": "ingest.options",
    "clean_step": "clean.steps.{name}",
    "recipe": "features.recipes.{name}",
    "split": "features.split.params",
    "model": "train.models.{name}",
    "technique": "compress.recipes.*.{name}",
    "engine": "benchmark.engines.{name}",
    "device": "recommend.devices.{name}",
}
WORLD = {  # arguments that speak of something outside the params
    "origin": "input data/raw/{workload}",
    "previous": "input the last run's report",
    "champion": "input the champion's report",
    "machine": "this machine",
    "calibrations": "input devices/*/{workload}.json",
    "facts": "params or data of another step",
}


def words(difference: Difference, workload: str, room: str) -> str:
    """Return one difference in words: `params workloads.x.train.models.mlp.width 64 -> 32`.

    room: the step whose task it is, for the place of its own params.
    """
    path, before, after = difference
    if "code" in path:
        return _code(path[-1], before, after)
    if "libraries" in path:
        return f"library {path[-1]} {_plain(before)} -> {_plain(after)}"
    argument, *inner = path[1:]
    if argument in WORLD:
        return WORLD[argument].format(workload=workload)
    sides = [value for value in (before, after) if isinstance(value, dict)]
    if sides and "artifact" in sides[-1]:
        return f"input {sides[-1]['artifact']}"
    if sides and "plugin" in sides[-1]:
        return " -> ".join(s["plugin"] for s in sides) + _end(before, after)
    if argument == "device":  # the class of the one that is used, whatever params ask for
        return f"device {_plain(before)} -> {_plain(after)}"
    if argument == "demanded":
        return f"params device: cuda is {'now' if after else 'no longer'} demanded"
    place = _place(argument, inner, workload, room)
    return f"params {place} {_plain(before)} -> {_plain(after)}"


def _code(name: str, before: Any, after: Any) -> str:
    file = name
    if "/" not in name:  # a module
        path = name.replace(".", "/")
        file = f"{path}/__init__.py" if (ROOT / path).is_dir() else f"{path}.py"
    return f"code {file}" + _end(before, after)


def _end(before: Any, after: Any) -> str:
    return " (new)" if before == MISSING else " (gone)" if after == MISSING else ""


def _place(argument: str, inner: list[str], workload: str, room: str) -> str:
    """Return where in params.yaml an argument of a task comes from."""
    if argument == "seed":
        return argument
    own = f"workloads.{workload}"
    path = [argument, *inner]
    for at, step in enumerate(path):
        kind, _, name = step.partition(" ")
        if kind in PLUGIN_PARAMS and name:
            rest = [key for key in path[at + 1 :] if key != "params"]
            return ".".join([own, PLUGIN_PARAMS[kind].format(name=name), *rest])
    if argument in ("spec", "table"):
        return ".".join([own, "table", *inner])
    return ".".join([own, room, *(inner if argument == "params" else path)])


def _plain(value: Any) -> str:
    return "nothing" if value == MISSING else str(value)
