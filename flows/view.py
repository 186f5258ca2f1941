"""`data/` and `models/`: a view of the store, the newest run whose params are those of
params.yaml.
"""

import json
import os
import shutil
from pathlib import Path

from tasks.core import locks, store
from tasks.core.artifacts import Artifact, Made, folder_digest
from tasks.core.errors import DataError
from tasks.core.home import project, subfolder

DATA_STEPS = ("raw", "ingest", "validate", "clean", "features")
MANIFEST = "artifacts.json"  # in each step's folder: artifact name -> digest
METRICS = "metrics"


def folder(name: str, step: str) -> Path:
    """Return where a step's artifacts of a workload lie in the view."""
    if step in DATA_STEPS:
        return project() / "data" / step / name
    return project() / "models" / name / step


def publish(name: str, made: Made, steps: list[str]) -> None:
    """Make the view of these steps show these artifacts, and nothing else."""
    with locks.held(subfolder("locks") / f"view-{name}"):
        for step in steps:
            _show(folder(name, step), step, made)
        if "report" in steps:  # what DVC shows lies beside the report: an output of its own
            files = _files(made["report"].path / METRICS, folder(name, METRICS))
            _mirror(folder(name, METRICS), files)


def take(name: str, steps: list[str]) -> Made:
    """Return the artifacts that the view shows, their contents put into the store where they lack.

    Raises:
        DataError: a step's folder is missing or incomplete, or holds other files than were put
        there.
    """
    made: Made = {}
    for step in steps:
        root = folder(name, step)
        try:
            manifest = json.loads((root / MANIFEST).read_text())
        except (OSError, ValueError):
            raise DataError(
                f"{root}: no artifacts of the step {step!r}. Run `temper run {name}`, or fetch "
                "them with `dvc pull`."
            ) from None
        for artifact_name, digest in manifest.items():
            artifact = Artifact(name=artifact_name, digest=digest)
            made[artifact_name] = _taken(artifact, _place(root, step, artifact_name), name)
    return made


def _taken(artifact: Artifact, place: Path, workload: str) -> Artifact:
    found = folder_digest(place)
    if found != artifact.digest:  # taken all the same, DVC would record it as what was made
        raise DataError(
            f"{place}: its files are not those that were put there: expected {artifact.digest}, "
            f"found {found}. `temper run {workload}` or `dvc checkout` puts them right."
        )
    if store.intact(artifact):
        return artifact
    with store.writing() as copy:
        shutil.copytree(place, copy, dirs_exist_ok=True)
        return store.put(artifact.name, copy)


def _show(root: Path, step: str, made: Made) -> None:
    shown = {a.name: a for a in made.values() if a.name.split("/")[0] == step}
    files: dict[Path, Path] = {}
    for artifact in shown.values():
        files |= _files(artifact.path, _place(root, step, artifact.name))
    if step == "raw":
        _mirror(root, files)
        return
    manifest = json.dumps({n: a.digest for n, a in shown.items()}, indent=1)
    _mirror(root, files, root / MANIFEST)
    if not (root / MANIFEST).is_file() or (root / MANIFEST).read_text() != manifest:
        _write(root / MANIFEST, manifest)


def _files(source: Path, place: Path) -> dict[Path, Path]:
    """Return target -> source of every file of a folder."""
    return {place / p.relative_to(source): p for p in source.rglob("*") if p.is_file()}


def _mirror(root: Path, files: dict[Path, Path], *kept: Path) -> None:
    """Make a folder hold these files (target -> source), those kept, and no others."""
    for target, source in files.items():
        if not store.same_file(source, target):
            store.copy_file(source, target)
    for file in root.rglob("*"):
        if file.is_file() and file not in files and file not in kept:
            file.unlink()
    for directory in sorted((p for p in root.rglob("*") if p.is_dir()), reverse=True):
        if not any(directory.iterdir()):
            directory.rmdir()


def _place(root: Path, step: str, artifact_name: str) -> Path:
    rest = artifact_name.removeprefix(step).strip("/")
    return root / rest  # an artifact named like its step (report, raw) fills the step's folder


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text)
    os.replace(temporary, path)
