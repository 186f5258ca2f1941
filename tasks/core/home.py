"""Where Temper keeps its own things: `.temper` of the project, or `$TEMPER_HOME`; private to the
user.
"""

import os
from functools import cache
from pathlib import Path

from tasks.core.errors import TemperError
from tasks.core.plugins import ROOT

NO_TELEMETRY = {  # of libraries that would send some; set before they are imported
    "DO_NOT_TRACK": "1",
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime 1.31 keeps an id and events on Linux too
}


def home() -> Path:
    """Return the folder of the store, records, locks, databases and logs; made on first use
    (0700), and made private where it is not (`dvc push` may have made it).

    Raises:
        TemperError: it is somebody else's, and others may look into it.
    """
    path = _resolved(os.environ.get("TEMPER_HOME") or f"{project()}/.temper")
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = path.stat().st_mode
    if mode & 0o077:
        try:
            path.chmod(0o700)
        except PermissionError:
            raise TemperError(
                f"{path}: others may read it, and it is not yours to change. Set TEMPER_HOME to a "
                "folder of your own."
            ) from None
    return path


def keras_settings() -> dict[str, str]:
    """Return the environment that Keras reads at its import: torch, the CPU, its file in here."""
    return {
        "KERAS_BACKEND": "torch",
        "KERAS_TORCH_DEVICE": "cpu",
        "KERAS_HOME": str(home() / "keras"),  # else it writes into ~/.keras
        "TF_CPP_MIN_LOG_LEVEL": "3",  # it imports TensorFlow where it saves; quiet, please
        "TF_ENABLE_ONEDNN_OPTS": "0",
    }


def project() -> Path:
    """Return the folder of params.yaml, dvc.yaml, data/ and models/: `$TEMPER_PROJECT`, or the
    code's.
    """
    return _resolved(os.environ.get("TEMPER_PROJECT") or str(ROOT))


@cache
def _resolved(path: str) -> Path:
    return Path(path).resolve()


def subfolder(*parts: str) -> Path:
    """Return a folder of `home()`, made where it is missing (0700)."""
    top = home()
    path = top.joinpath(*parts)
    if not path.is_dir():
        for count in range(len(parts)):
            top.joinpath(*parts[: count + 1]).mkdir(mode=0o700, exist_ok=True)
    return path


def open_log(name: str) -> int:
    """Return the descriptor of an emptied file of `logs`, for its owner's eyes alone (0600)."""
    path = subfolder("logs") / name
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
