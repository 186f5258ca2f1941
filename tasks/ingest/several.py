"""Sources of several files: one file, a folder of them, or a pattern such as `logs/2025-*.csv`."""

import hashlib
import shutil
from pathlib import Path

from tasks.core.artifacts import file_digest
from tasks.core.errors import DataError
from tasks.ingest.files import data_file

OURS = (".dvc",)


def given(source: Path | None, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files that a source names, in order; of a folder those with these suffixes.

    Raises:
        DataError: there is none, or two have the same name.
    """
    if source is None or source.is_file():
        return [data_file(source)]
    if source.is_dir():
        files = [p for p in source.rglob("*") if p.is_file() and p.name.endswith(suffixes)]
    else:
        files = [p for p in source.parent.glob(source.name) if p.is_file()]
    files = sorted(p for p in files if not p.name.startswith(".") and p.suffix not in OURS)
    if not files:
        kinds = ", ".join(suffixes)
        raise DataError(
            f"{source}: expected a file, a folder of files ({kinds}) or a pattern such as "
            "logs/*.csv; found none"
        )
    names = [path.name for path in files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{source}: several files are named {twice[0]}; give them other names")
    return files


def digest(files: list[Path]) -> str:
    """Return the sha256 over the files' names and contents; of one file that of its bytes."""
    if len(files) == 1:
        return file_digest(files[0])
    total = hashlib.sha256()
    for path in files:
        total.update(f"{path.name}\0{file_digest(path)}\n".encode())
    return total.hexdigest()


def copy(files: list[Path], folder: Path) -> None:
    """Copy the files as they are, under their own names."""
    for path in files:
        shutil.copyfile(path, folder / path.name)


def words(files: list[Path]) -> str:
    """Return what a message calls the files."""
    return files[0].name if len(files) == 1 else f"{files[0].name} and {len(files) - 1} more"
