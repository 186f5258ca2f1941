"""Keeps DVC's record of a workload's stages true after a run that DVC did not start."""

import configparser
import hashlib
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import yaml

from flows import calibrations, mending
from flows.view import MANIFEST
from tasks.core import devices, locks, params, store
from tasks.core.artifacts import Artifact, file_digest
from tasks.core.errors import DataError, TemperError
from tasks.core.home import project, subfolder
from tasks.core.libraries import version
from tasks.core.temporary import write
from tasks.ingest.params import Params as Ingest

STAGES = ("prepare", "train", "compress", "benchmark", "release")
ENVIRONMENT = "environment.json"
QUIET = {"DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1"}


class State:
    """What a run's results depend on, as it stood when the run began; the raw data it takes from
    the run.
    """

    def __init__(self, name: str) -> None:
        if "DVC_STAGE" not in os.environ:
            write_environment()
        self.name = name
        self.digest = _dependencies(name)


def tracked(name: str) -> bool:
    """Return whether dvc.yaml has stages for the workload."""
    content = params.read(project())
    return (
        name in (content.get("active") or [])
        and (project() / ".dvc").is_dir()
        and "DVC_STAGE" not in os.environ
    )


def commit(state: State, raw: Artifact) -> str | None:
    """Tell DVC that a workload's stages are up to date; return words where it could not be done.

    Code and params are compared with those the run began with and the raw data with what it read,
    before the commit and after it: a commit whose dependencies changed meanwhile would record a
    lie, so `dvc.lock` is put back.
    """
    name, lock = state.name, project() / "dvc.lock"
    with locks.held(subfolder("locks") / "dvc"):
        if _committed(name) == _mark(state):
            return None
        mending.mend()
        if not _same(state, raw):
            return "code, params or data changed during the run: `dvc.lock` was left as it was"
        before = lock.read_bytes() if lock.exists() else None
        targets = [f"{stage}@{name}" for stage in STAGES]
        if bundled(name):
            targets.insert(0, f"fetch@{name}")
        done = dvc("commit", "-f", "-q", *targets)
        if done.returncode == 0 and _same(state, raw):
            write(_memo(name), json.dumps(_mark(state)))
            return None
        if before is None:
            lock.unlink(missing_ok=True)
        else:
            lock.write_bytes(before)
        if done.returncode == 0:
            return "code, params or data changed during the commit: `dvc.lock` was put back"
        return f"`dvc commit` failed, `dvc.lock` was put back: {done.stderr.strip()[-500:]}"


def bundled(name: str) -> bool:
    """Return whether a stage makes the workload's raw data."""
    return name in (params.read(project()).get("bundled") or [])


def check_raw(name: str, raw: Artifact, ingest: Ingest) -> None:
    """Check raw data that was obtained from its origin against what git says of it, if it does.

    dvc.lock (in git) has the digest of the data that a stage made, and the params it made them by.

    Raises:
        DataError: other bytes than those, by the same params.
    """
    recorded = _recorded(name, ingest)
    if recorded and recorded != folder_md5(raw.path):
        raise DataError(
            f"workloads.{name}: its origin gives other raw data than dvc.lock says: expected "
            f"{recorded}, found {folder_md5(raw.path)}. To take the new: `temper fetch {name}`"
        )


def folder_md5(folder: Path) -> str:
    """Return the digest that DVC gives a folder: the md5 of its files' names and md5s."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    entries = [
        {
            "md5": hashlib.md5(p.read_bytes(), usedforsecurity=False).hexdigest(),
            "relpath": p.relative_to(folder).as_posix(),
        }
        for p in files
    ]
    text = json.dumps(sorted(entries, key=lambda e: e["relpath"]), sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"


def dvc(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a DVC command in the project and return how it went."""
    mending.mend()
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=project(),
        env={**os.environ, **QUIET},
        capture_output=True,
        text=True,
        check=False,
    )


def recorded(root: Path) -> Iterator[tuple[str, str]]:
    """Yield the digests of the artifacts that a project's dvc.lock records, and who needs each.

    dvc.lock has the digests that DVC gives folders; the manifests in them lie in DVC's cache.
    """
    config = configparser.ConfigParser()
    config.read([root / ".dvc" / "config", root / ".dvc" / "config.local"])
    contents = root / ".dvc" / config.get("cache", "dir", fallback="cache") / "files" / "md5"
    try:
        stages = yaml.load((root / "dvc.lock").read_bytes(), params.YamlLoader)["stages"]
    except (OSError, yaml.YAMLError, LookupError, TypeError):
        return
    for stage, content in stages.items():
        for out in content.get("outs", []):
            with suppress(OSError, ValueError, LookupError):  # not in the cache: nothing to keep
                md5 = out["md5"]
                if not md5.endswith(".dir"):
                    continue
                files = json.loads((contents / md5[:2] / md5[2:]).read_text())
                (manifest,) = (f["md5"] for f in files if f["relpath"] == MANIFEST)
                digests = json.loads((contents / manifest[:2] / manifest[2:]).read_text())
                for digest in digests.values():
                    yield digest, f"dvc.lock of {stage.partition('@')[2]}"


def track_raw(name: str) -> None:
    """Put a workload's data/raw under DVC: as the output of its stage, or on its own.

    Raises:
        TemperError: DVC refused; with its words.
    """
    folder = project() / "data" / "raw" / name
    verb = ("commit", "-f", f"fetch@{name}") if bundled(name) else ("add", str(folder))
    done = dvc(verb[0], "-q", *verb[1:])
    if done.returncode:
        raise TemperError(f"dvc {verb[0]} {verb[-1]}: {done.stderr.strip()[-500:]}")


def write_environment() -> None:
    """Keep environment.json, a dependency of every stage: declared library versions, device
    class.
    """
    from packaging.requirements import Requirement

    declared = tomllib.loads((project() / "pyproject.toml").read_text())["project"]
    names = {Requirement(text).name for text in declared["dependencies"]} | {
        "onnxruntime",
        "xgboost",
    }
    content = {
        "device": devices.device_class(devices.resolve("auto")),
        # a build's own label (+cpu) goes with the device
        "libraries": {name: version(name).partition("+")[0] for name in sorted(names)},
    }
    path = project() / ENVIRONMENT
    new = json.dumps(content, indent=1, sort_keys=True) + "\n"
    if not path.exists() or path.read_text() != new:
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(new)
        os.replace(temporary, path)


def _same(state: State, raw: Artifact) -> bool:
    """Return whether code and params are still those of the state, and data/raw holds the data."""
    folder = project() / "data" / "raw" / state.name
    files = (p for p in raw.path.rglob("*") if p.is_file())
    return _dependencies(state.name) == state.digest and all(
        store.same_file(file, folder / file.relative_to(raw.path)) for file in files
    )


def _recorded(name: str, ingest: Ingest) -> str | None:
    """Return the digest that dvc.lock has for the workload's raw data, where these params made
    them.
    """
    try:
        lock = yaml.load((project() / "dvc.lock").read_bytes(), params.YamlLoader)
        stage = lock["stages"][f"fetch@{name}"]
        made_by = stage["params"]["params.yaml"][f"workloads.{name}.ingest"]
        same = Ingest(**made_by) == ingest
        return stage["outs"][0]["md5"] if same else None
    except (OSError, yaml.YAMLError, LookupError, TypeError, ValueError):
        return None


def _dependencies(name: str) -> str:
    """Return a digest of what the stages depend on beside the raw data: code as files, params."""
    root = project()
    files = [p for top in ("flows", "tasks") for p in (root / top).rglob("*") if _counts(p)]
    files += calibrations.files(name)
    content = params.read(root)
    return params.digest(
        {
            "files": [[str(p.relative_to(root)), file_digest(p)] for p in sorted(files)],
            "params": [content.get("seed"), content.get("device"), content["workloads"].get(name)],
            "environment": file_digest(root / ENVIRONMENT) if (root / ENVIRONMENT).exists() else "",
        }
    )


def _counts(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def _stat(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _mark(state: State) -> dict[str, object]:
    """Return what stood when DVC was told last: dependencies, dvc.lock, the view's files."""
    root = project()
    lock = root / "dvc.lock"
    shown = [root / "models" / state.name, *(root / "data").glob(f"*/{state.name}")]
    files = sorted(p for folder in shown for p in folder.rglob("*") if p.is_file())
    return {
        "dependencies": state.digest,
        "lock": file_digest(lock) if lock.exists() else "",
        "view": params.digest([[str(p.relative_to(root)), _stat(p)] for p in files]),
    }


def _committed(name: str) -> dict[str, object] | None:
    try:
        return json.loads(_memo(name).read_text())
    except (OSError, ValueError):
        return None


def _memo(name: str) -> Path:
    return subfolder("memo") / f"dvc-{name}.json"


if __name__ == "__main__":
    write_environment()
