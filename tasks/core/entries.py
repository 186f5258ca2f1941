"""Plugins as params list them: `fp16`, or `{ptq_int8: {dialect: int8_cpu}}`."""

from typing import Any

from pydantic import ValidationError

from tasks.core.params import explain
from tasks.core.plugins import Plugin, names, plugin, unknown

Entry = str | dict[str, dict[str, Any]]


def plugin_of(kind: str, entry: Entry) -> Plugin:
    """Return an entry as a plugin of a kind."""
    name, params = _pair(entry)
    return Plugin(kind=kind, name=name, params=params)


def problems(kind: str, entry: Entry) -> list[str]:
    """Return what is wrong with an entry: more names than one, an unknown name, wrong params."""
    if isinstance(entry, dict) and len(entry) != 1:
        return [f"expected one {kind} with its parameters, found {sorted(entry)}"]
    name, params = _pair(entry)
    if name not in names(kind):
        return [unknown(f"{kind} {name!r}", name, names(kind))]
    try:
        plugin(kind, name).Params(**params)
    except ValidationError as error:
        return explain(error, plugin(kind, name).Params, name)
    return []


def _pair(entry: Entry) -> tuple[str, dict[str, Any]]:
    if isinstance(entry, str):
        return entry, {}
    ((name, params),) = entry.items()
    return name, params
