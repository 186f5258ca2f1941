"""`temper doctor`: Python, clashing packages, GPU and driver, server, disk, and what to do about
each.
"""

import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import NamedTuple

from tasks.core import devices, server
from tasks.core.home import home, project

FREE_GIB = 2.0
AGAIN = "rm -f .venv/.temper-setup && make setup"  # the stamp says that all is installed
CLASHES = (  # packages that cannot live beside each other, and why
    ("onnxruntime", "onnxruntime-gpu", "the GPU providers are silently lost"),
    ("xgboost", "xgboost-cpu", "each overwrites the other's library"),
    ("pynvml", "nvidia-ml-py", "both own the module pynvml; the first is deprecated"),
    ("torch", "torchvision", "torchvision needs the torch build it was made for"),
)


class Finding(NamedTuple):
    """One thing looked at: `ok`, `note` or `problem`, in words, with what to do."""

    level: str
    what: str
    remedy: str = ""


def examine() -> int:
    """Print every finding; return 1 where something is a problem, else 0."""
    findings = list(look())
    for finding in findings:
        print(f"{finding.level:8} {finding.what}")
        if finding.remedy:
            print(f"         -> {finding.remedy}")
    return int(any(finding.level == "problem" for finding in findings))


def look() -> Iterator[Finding]:
    """Yield what there is to say about this machine and this project."""
    yield _python()
    yield from _packages()
    yield from _gpu()
    yield _disk()
    yield _server()
    yield from _project()


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Finding("ok", f"Python {found}")
    return Finding("problem", f"Python {found}", "use 3.11, 3.12 or 3.13: make PYTHON=python3.11")


def _packages() -> Iterator[Finding]:
    for one, other, why in CLASHES:
        if _installed(one) and _installed(other):
            remedy = f"pip uninstall -y {one} {other} && {AGAIN}"
            yield Finding("problem", f"{one} and {other} are both installed: {why}", remedy)
    from packaging.requirements import Requirement

    wrong = []
    for text in metadata.requires("temper") or []:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        found = _installed(requirement.name)
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement} (found {found or 'none'})")
    if wrong:
        yield Finding("problem", f"packages: {', '.join(wrong)}", AGAIN)
    else:
        yield Finding("ok", "packages are those that pyproject.toml asks for")


def _gpu() -> Iterator[Finding]:
    found = devices.gpus()
    if not found:
        yield Finding("note", "no NVIDIA GPU: NVML finds none; `device: auto` means the CPU")
        return
    for gpu in found:
        yield Finding("ok", f"{gpu.name}, {gpu.memory_mib} MiB, driver {gpu.driver}")
    for package in ("cudf-polars-cu13", "cuml-cu13", "onnxruntime-gpu"):
        if _installed(package) is None:
            yield Finding("note", f"{package} is not installed", "make setup EXTRAS=gpu,dev")


def _disk() -> Finding:
    free = shutil.disk_usage(home()).free / 2**30
    if free >= FREE_GIB:
        return Finding("ok", f"{free:.1f} GiB free for the store ({home()})")
    return Finding(
        "problem",
        f"only {free:.1f} GiB free for the store ({home()})",
        "make room, or move it: export TEMPER_HOME=/a/larger/disk",
    )


def _server() -> Finding:
    import os

    given = os.environ.get("PREFECT_API_URL")
    if given and not server.healthy(given):
        return Finding(
            "problem", f"PREFECT_API_URL={given} does not answer", "start it, or unset it"
        )
    url = given or server.running()
    return Finding("ok", f"Prefect server at {url}" if url else "no server runs; a run starts one")


def _project() -> Iterator[Finding]:
    for name in (".dvc", ".git"):
        if not (project() / name).exists():
            remedy = "git init" if name == ".git" else "dvc init"
            yield Finding("note", f"no {name} in {project()}: results are not versioned", remedy)


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
