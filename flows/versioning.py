"""Keeps DVC's record of a workload's stages true after a run that DVC did not start."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tasks.core import locks, params
from tasks.core.artifacts import file_digest
from tasks.core.errors import TemperError
from tasks.core.home import project, subfolder

STAGES = ("prepare", "train", "compress", "benchmark", "release")
ENVIRONMENT = "environment.json"
QUIET = {"DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1"}


class State:
    """What a run's results depend on, as it stood when the run began."""

    def __init__(self, name: str) -> None:
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


def commit(state: State) -> str | None:
    """Tell DVC that a workload's stages are up to date; return words where it could not be done.

    Code, params and inputs are compared with those the run began with, before the commit and after
    it: a commit whose dependencies changed meanwhile would record a lie, so `dvc.lock` is put back.
    """
    name, lock = state.name, project() / "dvc.lock"
    with locks.held(subfolder("locks") / "dvc"):
        if _committed(name) == _mark(state):
            return None
        if _dependencies(name) != state.digest:
            return "code, params or data changed during the run: `dvc.lock` was left as it was"
        before = lock.read_bytes() if lock.exists() else None
        targets = [f"{stage}@{name}" for stage in STAGES]
        if name in (params.read(project()).get("bundled") or []):
            targets.insert(0, f"fetch@{name}")
        done = dvc("commit", "-f", "-q", *targets)
        if done.returncode == 0 and _dependencies(name) == state.digest:
            _memo(name).write_text(json.dumps(_mark(state)))
            return None
        if before is None:
            lock.unlink(missing_ok=True)
        else:
            lock.write_bytes(before)
        if done.returncode == 0:
            return "code, params or data changed during the commit: `dvc.lock` was put back"
        return f"`dvc commit` failed, `dvc.lock` was put back: {done.stderr.strip()[-500:]}"


def dvc(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a DVC command in the project and return how it went."""
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=project(),
        env={**os.environ, **QUIET},
        capture_output=True,
        text=True,
        check=False,
    )


def track(path: Path) -> None:
    """Put a file or folder under DVC.

    Raises:
        TemperError: DVC refused; with its words.
    """
    done = dvc("add", "-q", str(path))
    if done.returncode:
        raise TemperError(f"dvc add {path}: {done.stderr.strip()[-500:]}")


def write_environment(device_class: str) -> None:
    """Keep environment.json, a dependency of every stage: declared library versions, device
    class.
    """
    from tasks.core.cache import version

    text = (project() / "pyproject.toml").read_text()
    import tomllib

    declared = tomllib.loads(text)["project"]["dependencies"]
    names = sorted(
        {item.split(">")[0].split("=")[0].split("<")[0].split("[")[0] for item in declared}
    )
    content = {
        "device": device_class,
        "libraries": {name: version(name) for name in [*names, "onnxruntime", "xgboost"]},
    }
    path = project() / ENVIRONMENT
    new = json.dumps(content, indent=1, sort_keys=True) + "\n"
    if not path.exists() or path.read_text() != new:
        path.write_text(new)


def _dependencies(name: str) -> str:
    """Return a digest of what the stages depend on: code as files, the section, the raw data."""
    root = project()
    files = [p for top in ("flows", "tasks") for p in (root / top).rglob("*") if _counts(p)]
    raw = [p for p in (root / "data" / "raw" / name).rglob("*") if p.is_file()]
    content = params.read(root)
    return params.digest(
        {
            "files": [[str(p.relative_to(root)), file_digest(p)] for p in sorted(files)],
            "raw": [[str(p.relative_to(root)), _stat(p)] for p in sorted(raw)],
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
