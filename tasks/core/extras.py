"""The extras of pyproject.toml, and the command that installs one into a checkout."""

from importlib import metadata

GPU = "make setup EXTRAS=gpu,dev"  # set-up finds the torch build that fits, which pip does not
ON_GPU = ("ray", "tensorrt")
INDEX = {"tensorrt": "https://pypi.nvidia.com"}  # where its packages are


def install(extra: str) -> str:
    """Return the command that installs an extra beside what is here, as README.md has it."""
    if extra == "gpu":
        return GPU
    beside = "gpu" if extra in ON_GPU or _on_gpu() else "cpu"  # both at once clash
    index = f" --extra-index-url {INDEX[extra]}" if extra in INDEX else ""
    return f'pip install -c constraints.txt -e ".[{beside},{extra}]"{index}'


def _on_gpu() -> bool:
    """Return whether the extra `gpu` is installed."""
    try:
        metadata.version("onnxruntime-gpu")
    except metadata.PackageNotFoundError:
        return False
    return True
