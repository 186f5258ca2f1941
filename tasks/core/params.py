"""Reads params.yaml: every problem at once, each with its path and the nearest known name."""

import copy
import hashlib
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import BaseModel, ValidationError

from tasks.core.errors import ParamsError
from tasks.core.plugins import unknown

FILE = "params.yaml"
TOP = ("seed", "device", "active", "bundled", "workloads")
TIMESTAMP = "tag:yaml.org,2002:timestamp"
FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, 8 times as fast


class YamlLoader(FAST):
    """Leaves dates as they are written: params are JSON, and a plugin's own type reads them. A key
    that stands twice in a map is an error: the first would be gone without a word.
    """

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Return a map.

        Raises:
            yaml.constructor.ConstructorError: a key stands twice in it.
        """
        seen: dict[Any, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if key.value in seen and key.value != "<<":
                raise yaml.constructor.ConstructorError(
                    problem=f"key {key.value!r} stands in lines {seen[key.value]} and {line} of "
                    "one map; rename one, or take it out"
                )
            seen[key.value] = line
        return super().construct_mapping(node, deep)


def read(folder: Path) -> dict[str, Any]:
    """Return the content of params.yaml in a project's folder.

    Raises:
        ParamsError: there is none, or it is not a YAML map with `workloads`.
    """
    path = folder / FILE
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.load(text, YamlLoader)
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file; run `temper` in a Temper project") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path}: not readable as YAML: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("workloads"), dict):
        raise ParamsError(f"{path}: expected a map with the key `workloads`, found {content!r:.80}")
    problems = [unknown(f"key {key!r} in {FILE}", key, TOP) for key in content if key not in TOP]
    problems += [
        f"{FILE}: active workload {name!r} has no section under `workloads`"
        for name in content.get("active") or []
        if name not in content["workloads"]
    ]
    if (folder / ".dvc").is_dir():  # DVC reads this file too, and every command of it fails at one
        problems += [
            f'{FILE}: {place}: write "{found}" in quotes: DVC takes no dates'
            for place, found in _dates(yaml.load(text, FAST), "")
        ]
    if problems:
        raise ParamsError("\n".join(problems))
    return content


def section(content: dict[str, Any], name: str) -> dict[str, Any]:
    """Return one workload's section, with the `seed` and `device` that stand above all.

    Raises:
        ParamsError: there is no such workload; the message has the known names.
    """
    workloads = content["workloads"]
    if name not in workloads:
        raise ParamsError(
            unknown(f"workload {name!r}", name, tuple(workloads))
            + f" Make one with `temper new {name} --data FILE --target COLUMN`."
        )
    own = workloads[name] or {}
    if not isinstance(own, dict):
        raise ParamsError(f"{FILE}: workloads.{name}: expected a map, found {own!r:.80}")
    return {"seed": content.get("seed", 0), "device": content.get("device", "auto"), **own}


def override(own: dict[str, Any], settings: list[str]) -> dict[str, Any]:
    """Return a section with `path.to.key=value` settings laid over it; values are YAML.

    Raises:
        ParamsError: a setting without `=`, an empty key, or a path through something not a map.
    """
    changed = copy.deepcopy(own)
    problems = []
    for setting in settings:
        path, equals, text = setting.partition("=")
        keys = path.strip().split(".")
        if not equals or not all(keys):
            problems.append(f"--set {setting}: expected path.to.key=value")
            continue
        target = changed
        for key in keys[:-1]:
            inner = target.get(key)
            if inner is None:
                inner = target[key] = {}
            if not isinstance(inner, dict):
                problems.append(f"--set {setting}: {key} is {inner!r:.40}, not a map")
                break
            target = inner
        else:
            try:
                target[keys[-1]] = yaml.load(text, YamlLoader) if text else None
            except yaml.YAMLError as error:
                problems.append(f"--set {setting}: the value is not YAML: {error}")
    if problems:
        raise ParamsError("\n".join(problems))
    return changed


def explain(error: ValidationError, model: type[BaseModel], where: str) -> list[str]:
    """Return one line a problem: its path, what was expected, what was found, the nearest name."""
    lines = []
    for item in error.errors(include_url=False):
        path = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            known = _fields(model, item["loc"][:-1])
            name = str(item["loc"][-1])
            lines.append(f"{where}.{path}: " + unknown(f"parameter {name!r}", name, known))
        elif item["type"] == "missing":
            lines.append(f"{where}.{path}: missing; this parameter has no default")
        else:
            told = item["msg"].removeprefix("Value error, ").splitlines()
            whole = isinstance(item["input"], dict) or len(told) > 1 or _says_found(told[0])
            found = "" if whole else f", found {item['input']!r:.60}"
            lines += [f"{where}.{path}: {line}{found}" for line in told]
    return lines


def _says_found(message: str) -> bool:
    """Return whether a message of a validator of ours says itself what was found."""
    return "found " in message or message.endswith(".")


def digest(value: Any) -> str:
    """Return the sha256 of parameters, as hex."""
    content = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _dates(content: Any, path: str) -> Iterator[tuple[str, date]]:
    """Yield the dates in what YAML holds, with their paths."""
    if isinstance(content, date):
        yield path, content
    pairs = content.items() if isinstance(content, dict) else ()
    pairs = enumerate(content) if isinstance(content, list) else pairs
    for key, inner in pairs:
        yield from _dates(inner, f"{path}.{key}".lstrip("."))


def _fields(model: Any, path: tuple[Any, ...]) -> tuple[str, ...]:
    for part in path:
        fields = {f.alias or name: f for name, f in getattr(model, "model_fields", {}).items()}
        model = fields[part].annotation if part in fields else model
    fields = getattr(model, "model_fields", {})
    return tuple(field.alias or name for name, field in fields.items())
