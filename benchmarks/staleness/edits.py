"""How the changes of the catalogue are made to a project."""

import ast
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from ruamel.yaml import YAML

from benchmarks.micro import Project


def run_between(setting: str) -> Callable[[Project], None]:
    """Run with another param, beside the view."""

    def apply(project: Project) -> None:
        project.run("run", "micro", "--set", setting)
        project.executed()

    return apply


def there_and_back(path: str, value: object) -> Callable[[Project], None]:
    """Run with another param in params.yaml, and put it back."""

    def apply(project: Project) -> None:
        before = project.read("params.yaml")
        set_param(path, value)(project)
        project.run("run", "micro")
        project.executed()
        project.replace("params.yaml", before)

    return apply


def append(file: str, text: str) -> Callable[[Project], None]:
    """Add text to the end of a file."""
    return lambda project: project.replace(file, project.read(file) + text)


def substitute(file: str, old: str, new: str, count: int = 1) -> Callable[[Project], None]:
    """Replace a text in a file, which must have it."""

    def apply(project: Project) -> None:
        text = project.read(file)
        if old not in text:
            raise LookupError(f"{file} has no {old!r}")
        project.replace(file, text.replace(old, new, count))

    return apply


def laid_out(file: str) -> Callable[[Project], None]:
    """Write a module's code as Python itself would lay it out, with its docstring kept."""

    def apply(project: Project) -> None:
        project.replace(file, ast.unparse(ast.parse(project.read(file))) + "\n")

    return apply


def set_param(path: str, value: object, workload: str = "micro") -> Callable[[Project], None]:
    """Write a value into params.yaml."""

    def apply(project: Project) -> None:
        yaml = YAML()
        yaml.preserve_quotes = True
        yaml.width = 4096
        content = yaml.load(project.read("params.yaml"))
        target = content if path == "seed" else content["workloads"][workload]
        *keys, last = path.split(".")
        for key in keys:
            if target.get(key) is None:
                target[key] = {}
            target = target[key]
        target[last] = value
        with open(project.folder / "params.yaml", "w") as stream:
            yaml.dump(content, stream)

    return apply


def damaged(artifact: str, damage: Callable[[Path], None]) -> Callable[[Project], None]:
    """Damage the content of an artifact in the store."""

    def apply(project: Project) -> None:
        folder = project.content(artifact)
        if not folder.is_dir():
            raise LookupError(f"{artifact}: {folder} is not in the store")
        damage(folder)

    return apply


def delete(folder: Path) -> None:
    """Take the content away."""
    shutil.rmtree(folder)


def _largest(folder: Path) -> Path:
    path = max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    path.chmod(0o600)
    return path


def truncate(folder: Path) -> None:
    """Cut the largest file to half."""
    path = _largest(folder)
    os.truncate(path, path.stat().st_size // 2)


def flip(folder: Path) -> None:
    """Turn one bit of the largest file; its size and times stay."""
    path = _largest(folder)
    stat = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def add_file(folder: Path) -> None:
    """Lay a file beside the content."""
    (folder / "stray.txt").write_text("not of this content")


def spoiled(label: str, content: float | bytes | None) -> Callable[[Project], None]:
    """Take away, overwrite or cut the record of a task."""

    def apply(project: Project) -> None:
        path = project.home / "records" / project.keys()[label]
        if content is None:
            path.unlink()
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            os.truncate(path, int(path.stat().st_size * content))

    return apply


def reversion(library: str) -> Callable[[Project], None]:
    """Put metadata of another version before the installed ones on the path."""

    def apply(project: Project) -> None:
        name = re.sub(r"[-_.]+", "_", library)
        text = f"Metadata-Version: 2.1\nName: {library}\nVersion: 99.0\n"
        project.replace(f"{name}-99.0.dist-info/METADATA", text)

    return apply


def use_file(project: Project) -> None:
    """Take the rows from a CSV file instead of the generator."""
    import polars as pl

    parquet = next((project.folder / "data" / "raw" / "micro").glob("*.parquet"))
    pl.read_parquet(parquet).write_csv(project.folder / "micro.csv")
    set_param("ingest", {"dataset": "table", "path": str(project.folder / "micro.csv")})(project)


def rewrite(edit: Callable[[list[str]], list[str]]) -> Callable[[Project], None]:
    """Edit the lines of that CSV file, and fetch it."""

    def apply(project: Project) -> None:
        rows = project.read("micro.csv").splitlines()
        project.replace("micro.csv", "\n".join(edit(rows)) + "\n")
        project.run(
            "fetch", "micro"
        )  # other data than dvc.lock says: a run alone would refuse them

    return apply


def blank(row: str) -> str:
    """Return a row without its first value."""
    first, _, rest = row.partition(",")
    return f",{rest}" if first else row


def touch(top: str) -> Callable[[Project], None]:
    """Give files new times."""

    def apply(project: Project) -> None:
        path = project.folder / top
        for file in [path] if path.is_file() else path.rglob("*"):
            os.utime(file)

    return apply
