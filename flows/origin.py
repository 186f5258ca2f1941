"""Where a workload's raw data comes from, and which state of it the world has now."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.workload import Workload
from tasks.core.errors import DataError, NothingObtained
from tasks.core.home import project
from tasks.core.plugins import Plugin


def raw_folder(name: str) -> Path:
    """Return where a workload's versioned raw data lies."""
    return project() / "data" / "raw" / name


def source(name: str, workload: Workload) -> Path | None:
    """Return what to read: `ingest.path`, else what lies in data/raw, else None (a plugin's own).

    It is a file; or the folder where the plugin takes several.

    Raises:
        DataError: the plugin reads files, and there is none.
    """
    given = workload.ingest.path
    if given:
        return Path(given).expanduser().resolve()
    plugin = workload.dataset.module
    if plugin.ORIGIN in ("bundled", "generated"):
        return None
    folder = raw_folder(name)
    several = getattr(plugin, "FOLDER", False)
    found = (folder.rglob("*") if several else folder.glob("*")) if folder.is_dir() else ()
    files = sorted(p for p in found if p.is_file() and not p.name.startswith("."))
    if files:
        whole = several and (len(files) > 1 or plugin.ORIGIN == "collected")
        return folder if whole else files[0]
    if plugin.ORIGIN == "collected":
        raise DataError(
            f"workloads.{name}: nothing was collected yet: `temper collect {name}`, or get it from "
            f"the DVC remote (`dvc pull data/raw/{name}.dvc`)."
        )
    if plugin.ORIGIN == "file":
        raise DataError(
            f"workloads.{name}: no raw data in {folder.relative_to(project())}. Get it from the "
            f"DVC remote (`dvc pull data/raw/{name}.dvc`), or name a file: "
            f"`temper run {name} --set ingest.path=FILE`."
        )
    return None


@contextmanager
def advice(name: str) -> Iterator[None]:
    """Say how to give the data of a workload, where in the block its own source gives nothing.

    Raises:
        DataError: it gives nothing; with what to do.
    """
    try:
        yield
    except NothingObtained as error:
        raise DataError(
            f"{error}. Run once with a network; or name what you have: `temper run {name} --set "
            f"ingest.path=PLACE`, or put one file into {raw_folder(name).relative_to(project())}"
        ) from None


def in_view(name: str, workload: Workload) -> bool:
    """Return whether the raw data was read from data/raw, where the user keeps it."""
    if workload.ingest.path or workload.dataset.module.ORIGIN in ("bundled", "generated"):
        return False
    return any(raw_folder(name).glob("*"))


def identity(plugin: Plugin, file: Path | None) -> str:
    """Return what identifies the present state of the origin: a digest, or a version."""
    return plugin.module.origin(plugin.typed, file)
