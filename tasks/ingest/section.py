"""A proposal as commented YAML, and its way into params.yaml without a change to the rest of it."""

import json
import os
import re
from pathlib import Path
from typing import Any

import yaml

from tasks.core.errors import ParamsError
from tasks.core.plugins import names
from tasks.core.schema import Column
from tasks.ingest.proposal import Proposal

NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
ALL = [  # what any other file's model is taken through
    "    compress: {recipes: all, budget: 1}   # every technique: nothing is fitted, each is quick",
]
KERAS = [  # what a Keras model is taken through: few, for each `litert` is made whatever the budget
    "    compress:",
    "      recipes:",
    "        fp16: [fp16]",
    "        int8_cpu: [ptq_int8]",
    "        litert_fp32: [{litert: {precision: fp32}}]",
    "        litert_fp16: [{litert: {precision: fp16}}]",
    "        litert_int8: [litert]",
    "        litert_int8_weights: [{litert: {precision: int8_weights}}]",
    "        keras_int8: [keras_int8]",
    "        pruned_int8: [prune_unstructured, ptq_int8]",
    "        student: [distill]",
    "        student_litert: [distill, litert]",
    "    benchmark: {engines: [native, torch_eager, onnx_runtime, open_vino, litert]}",
]
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def section(proposal: Proposal) -> str:
    """Return the workload's section for the `workloads` map, each guess with its reason."""
    table, why = proposal.table, proposal.why
    lines = [
        f"  # {comment(proposal.file)}: {proposal.rows} rows, {len(table.columns)} columns. "
        "Guessed from the data: change what is wrong.",
        f"  {proposal.name}:",
        "    table:",
        f"      task: {table.task}   # {comment(why['task'])}",
        f"      target: {_scalar(table.target)}   # {comment(why['target'])}",
        "      columns:",
    ]
    for name, column in table.columns.items():
        reason = comment(proposal.why_columns.get(name, ""))
        line = f"        {_scalar(name)}: {_flow(column)}"
        lines.append(f"{line}   # {reason}" if reason else line)
    lines += [
        "    ingest:",
        "      dataset: table",
        f"      path: null   # null: the file in data/raw/{proposal.name}",
        *(_given(proposal) if proposal.given else _fitted(proposal)),
    ]
    return "\n".join(lines) + "\n"


def _fitted(proposal: Proposal) -> list[str]:
    why = proposal.why
    return [
        "    features:",
        f"      split: {{name: {proposal.split}}}   # {comment(why['split'])}",
        "    train:",
        f"      models:   # {comment(why['models'])}",
        *(f"        {model}: {{}}" for model in proposal.models),
    ]


def _given(proposal: Proposal) -> list[str]:
    """Return the lines for a model fitted elsewhere: its columns go into it as they are."""
    assert proposal.given is not None
    keras = proposal.given["path"].lower().endswith(".keras")
    split = proposal.split
    half = "" if split == "given" else ", params: {test_share: 0.5}"
    others = ", ".join(f"{name}: null" for name in names("recipe") if name != "raw")
    return [
        "    clean: {steps: [types]}   # nothing is taken out",
        "    features:",
        f"      split: {{name: {split}{half}}}   # half to calibrate with, half to judge on",
        f"      recipes: {{{others}, raw: {{missing: true}}}}",
        "    train:",
        "      models:",
        "        given_keras:" if keras else "        given:",
        *(f"          {key}: {_scalar(value)}" for key, value in proposal.given.items()),
        "    compare: {resamples: 2}   # nothing is fitted anew",
        *(KERAS if keras else ALL),
    ]


def check_name(params_file: Path, name: str) -> None:
    """Check that a workload can have this name.

    Raises:
        ParamsError: it is taken, or not small letters, digits, `_` and `-` after a letter.
    """
    if not NAME.fullmatch(name) or yaml.safe_load(name) != name:
        raise ParamsError(
            f"workload name {name!r}: expected a small letter, then up to 39 small letters, "
            "digits, _ or - (and no word that YAML reads as another thing, such as `null` or `yes`)"
        )
    if name in _workloads(_read(params_file), params_file):
        raise ParamsError(
            f"{params_file.name}: there is a workload {name!r} already: `temper run {name}` runs "
            "it. Choose another name for a new one (`temper compress`: with --name)"
        )


def write_section(params_file: Path, name: str, text: str) -> None:
    """Add a section at the end of `workloads` and its name to `active`; the rest stays as it is.

    Raises:
        ParamsError: the name is taken or not usable, or the file is laid out in another way than
            Temper's (then nothing is written).
    """
    check_name(params_file, name)
    before = params_file.read_bytes().decode("utf-8")
    end = "\r\n" if "\r\n" in before else "\n"
    after = _with_active(_with_section(before, text.replace("\n", end), end, params_file), name)
    expected = yaml.safe_load(before)
    expected["workloads"] = {**(expected["workloads"] or {}), **yaml.safe_load(text)}
    expected["active"] = [*(expected.get("active") or []), name]
    try:
        right = yaml.safe_load(after) == expected
    except yaml.YAMLError:
        right = False
    if not right:
        raise ParamsError(
            f"{params_file.name}: cannot add a section without touching the rest; expected "
            "`active: [...]` and, with sections two blanks in, `workloads:`. Add by hand:\n" + text
        )
    overwrite(params_file, after.encode("utf-8"))


def overwrite(params_file: Path, content: bytes) -> None:
    """Replace the file's content, whole or not at all; its mode stays."""
    temporary = params_file.with_name(f".{params_file.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    temporary.chmod(params_file.stat().st_mode & 0o777)
    os.replace(temporary, params_file)


def _with_section(text: str, added: str, end: str, params_file: Path) -> str:
    start = re.search(
        r"^workloads:[^\S\r\n]*(\{\}|null|~)?[^\S\r\n]*(#.*)?\r?$", text, re.MULTILINE
    )
    if start is None:
        raise ParamsError(
            f"{params_file.name}: expected a line `workloads:` with sections below it"
        )
    if start[1]:
        text = text[: start.start(1)] + text[start.end(1) :]
    following = re.compile(r"^[^\s#]", re.MULTILINE).search(
        text, text.index("workloads:", start.start()) + 10
    )
    at = following.start() if following else len(text)
    head, tail = text[:at], text[at:]
    if not head.endswith(end):
        head += end
    return head + end + added + (end + tail if tail else "")


def _with_active(text: str, name: str) -> str:
    flow = re.search(r"^active:\s*\[([^\]]*)\]", text, re.MULTILINE)
    if flow:
        inner = flow[1].rstrip()
        comma = ", " if inner.strip() and not inner.endswith(",") else " " if inner.strip() else ""
        at = flow.start(1) + len(inner)
        return text[:at] + comma + name + text[at:]
    listed = r"^active:[^\S\r\n]*(#.*)?\r?\n((?:[ ]*(?:-.*|#.*)?\r?\n)*)"
    block = re.search(listed, text, re.MULTILINE)
    items = list(re.finditer(r"^([ ]*)- .*(\r?\n)", block[2], re.MULTILINE)) if block else []
    if block and items:
        at = block.start(2) + items[-1].end()
        return text[:at] + f"{items[-1][1]}- {name}{items[-1][2]}" + text[at:]
    return text


def _read(params_file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(params_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{params_file}: no such file; run `temper` in a project") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{params_file}: not readable as YAML: {error}") from None
    return content if isinstance(content, dict) else {}


def _workloads(content: dict[str, Any], params_file: Path) -> dict[str, Any]:
    if "workloads" not in content or not isinstance(content["workloads"] or {}, dict):
        raise ParamsError(
            f"{params_file.name}: expected the key `workloads` with a map of sections"
        )
    return content["workloads"] or {}


def _flow(column: Column) -> str:
    content = column.model_dump(mode="json", exclude_defaults=True)
    if column.role == "target":
        content.pop("nullable", None)
    return "{" + ", ".join(f"{key}: {_scalar(value)}" for key, value in content.items()) + "}"


def _scalar(value: Any) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(_scalar(each) for each in value) + "]"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if not isinstance(value, str):
        return str(value)
    plain = PLAIN.fullmatch(value) and yaml.safe_load(value) == value and len(value) > 1
    return value if plain else json.dumps(value, ensure_ascii=not value.isprintable())


def comment(text: str) -> str:
    """Return a text that can stand in a comment: printable, on one line, not too long."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return shown if len(shown) <= 160 else shown[:159] + "…"
