"""Where Temper keeps its own things: `.temper` of the project, or `$TEMPER_HOME`; private to the
user.
"""

import os
from pathlib import Path

from tasks.core.plugins import ROOT

NO_TELEMETRY = {  # of libraries that would send some; set before they are imported
    "DO_NOT_TRACK": "1",
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime 1.31 keeps an id and events on Linux too
}


def home() -> Path:
    """Return the folder of the store, records, locks, databases and logs; made on first use
    (0700).
    """
    path = Path(os.environ.get("TEMPER_HOME") or project() / ".temper").resolve()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def project() -> Path:
    """Return the folder of params.yaml, dvc.yaml, data/ and models/: `$TEMPER_PROJECT`, or the
    code's.
    """
    return Path(os.environ.get("TEMPER_PROJECT") or ROOT).resolve()


def subfolder(*parts: str) -> Path:
    """Return a folder of `home()`, made where it is missing (0700)."""
    path = home().joinpath(*parts)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
