"""What the key of each task of a workload was made of when it last ended, and what had changed.

One file a task run, `.temper/traces/<workload>/<label>.json`; the label is `fit light_gbm`.
"""

import json
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.core.home import subfolder
from tasks.core.temporary import write

MOST = 20  # differences that are told
KEPT = 8  # keys that are remembered of a task run
MISSING = "\0missing"
Difference = list[Any]  # [path of keys, before, after]; MISSING where one side has none
_open: dict[Any, dict[str, Any]] = {}  # by task run, until it ends


def begin(run: Any, workload: str | None, key: str, parts: dict[str, Any]) -> None:
    """Note the key of a task run that starts, and the parts it was made of."""
    if workload:
        _open[run] = {"workload": workload, "key": key, "parts": parts}


def end(run: Any, label: str, cached: bool, flow_run: Any) -> None:
    """Write down how a task run ended, beside what its key was made of."""
    noted = _open.pop(run, None)
    if noted is None:
        return
    earlier = known(noted["workload"], label)
    same = not earlier or earlier[0]["key"] == noted["key"]
    entry = {
        "label": label,
        "state": ("cached" if same else "restored") if cached else "ran",
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "flow_run": str(flow_run),
        "changed": differences(earlier[0]["parts"], noted["parts"]) if earlier else None,
        **noted,
    }
    others = [old for old in earlier if old["key"] != entry["key"]]
    write(_file(noted["workload"], label), json.dumps([entry, *others][:KEPT]))


def known(workload: str, label: str) -> list[dict[str, Any]]:
    """Return how a task run of a workload ended, by key; the last one first."""
    try:
        return json.loads(_file(workload, label).read_text())
    except (OSError, ValueError):
        return []


def nearest(entries: list[dict[str, Any]], parts: dict[str, Any]) -> list[Difference]:
    """Return the differences of parts from those of the entry that they differ least from."""
    return min((differences(entry["parts"], parts) for entry in entries), key=len)


def differences(before: Any, after: Any) -> list[Difference]:
    """Return where the parts of two keys differ: params first, then code, libraries, inputs."""
    found: list[Difference] = []
    _walk([], _by_name(before), _by_name(after), found)
    return sorted(found, key=lambda d: _rank(d[0]))[:MOST]


def _walk(path: list[str], before: Any, after: Any, found: list[Difference]) -> None:
    before, after = _by_name(before), _by_name(after)
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict) and _comparable(before, after):
        plugin = after.get("plugin")
        if plugin and path[-1] != plugin:
            path = [*path, plugin]
        for key in [*before, *(k for k in after if k not in before)]:
            _walk([*path, key], before.get(key, MISSING), after.get(key, MISSING), found)
    else:
        found.append([path, before, after])


def _comparable(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Return whether what differs lies within: not in an artifact, nor between two plugins."""
    return "artifact" not in after and before.get("plugin") == after.get("plugin")


def _by_name(value: Any) -> Any:
    """Return a list of artifacts or plugins as a dictionary by their names, else the value."""
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        names = [item.get("artifact") or item.get("plugin") for item in value]
        if value and all(names) and len(set(names)) == len(names):
            return dict(zip(names, value, strict=True))
    return value


def _rank(path: list[str]) -> int:
    if "code" in path:
        return 1
    if "libraries" in path:
        return 2
    return 0


def _file(workload: str, label: str) -> Path:
    folder = subfolder("traces", urllib.parse.quote(workload, safe=""))
    return folder / f"{urllib.parse.quote(label, safe=' ')}.json"
