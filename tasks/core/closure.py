"""The first-party code that a module reaches, as one digest: imports at any depth, in functions
too.

Modules count as syntax trees without comments and docstrings. A module names the templates and data
files that it reads in a literal `DATA_FILES = ("templates/page.html.j2",)`, relative to its folder.
Modules that only orchestrate do not count.
"""

import ast
import hashlib
import json
import threading
from functools import cache
from pathlib import Path

from tasks.core.artifacts import file_digest
from tasks.core.home import subfolder
from tasks.core.plugins import ROOT
from tasks.core.temporary import write

FIRST_PARTY = ("tasks", "flows")
ORCHESTRATION = frozenset(
    f"tasks.core.{name}"
    for name in (
        "cache",
        "checkpoints",
        "child",
        "closure",
        "home",
        "locks",
        "logs",
        "progress",
        "server",
        "serving",
        "slots",
        "temporary",
        "trace",
    )
)
_lock = threading.Lock()
# digest of the code, names it may import, digests of its data files
Module = tuple[str, list[str], dict[str, str]]


def code_of(*roots: str) -> dict[str, str]:
    """Return the digest of every first-party module that these reach, themselves included, and of
    the data files that those declare, by their paths.
    """
    digests: dict[str, str] = {}
    modules, seen = set(ORCHESTRATION), set(ORCHESTRATION)  # what is imported from a module is none
    found = {name for root in roots for name in _with_packages(root)}
    with _lock:
        known = len(_memo())
        while new := sorted(found - seen):  # what holds others comes before them
            seen |= found
            for name in new:
                path = None if name.rpartition(".")[0] in modules else _path(name)
                if path is not None:
                    digests[name], imports, files = _read(path)
                    digests |= files
                    found.update(imports)
                    if path.name != "__init__.py":
                        modules.add(name)
        if len(_memo()) > known:
            _save(_memo())
    return digests


def total(digests: dict[str, str]) -> str:
    """Return one digest for the digests of many modules."""
    return hashlib.sha256(json.dumps(sorted(digests.items())).encode()).hexdigest()


def _path(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _read(path: Path) -> Module:
    key, known = _key(path), _memo()
    entry = known.get(key)
    if entry is None:
        tree = ast.parse(path.read_bytes(), str(path))
        entry = known[key] = [_digest(tree), sorted(_imports(tree, path)), _data_files(tree)]
    digest, imports, data_files = entry
    files = (path.parent / relative for relative in data_files)
    return digest, imports, {str(f.relative_to(ROOT)): file_digest(f) for f in files}


def _key(path: Path) -> str:
    stat = path.stat()
    return f"{path}:{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}:{stat.st_ino}"


def _digest(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _imports(tree: ast.Module, path: Path) -> set[str]:
    package = path.relative_to(ROOT).parent.parts
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    ours = (name for name in found if name.partition(".")[0] in FIRST_PARTY)
    return {module for name in ours for module in _with_packages(name)}


def _with_packages(module: str) -> list[str]:
    """Return a module and the packages that it is in: their `__init__` runs before it."""
    parts = module.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts) + 1)]


def _data_files(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "DATA_FILES" for target in node.targets
        ):
            return list(ast.literal_eval(node.value))
    return []


def _memo_file() -> Path:
    return subfolder("memo") / "code.json"


@cache
def _memo() -> dict[str, list]:
    try:
        return json.loads(_memo_file().read_text())
    except (OSError, ValueError):
        return {}


def _save(known: dict[str, list]) -> None:
    write(_memo_file(), json.dumps({key: v for key, v in known.items() if _current(key)}))


def _current(key: str) -> bool:
    """Return whether an entry speaks of a file as it is: else each edit would leave one behind."""
    path = Path(key.rsplit(":", 4)[0])
    return path.is_file() and _key(path) == key
