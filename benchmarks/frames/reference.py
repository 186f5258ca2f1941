"""The reference: its data, its pandas answer, and the same work as a description of ours."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from benchmarks.harness import ROOT
from tasks.frames.spec import Column, Work

SCRIPT = ROOT.parent / "shared" / "benchmarks" / "frames_reference.py"
FAHRENHEIT = "temperature_f"


def make(rows: int, folder: Path) -> Path:
    """Return the file of so many rows, made where it is missing."""
    path = folder / f"sensors_{rows}.parquet"
    if not path.exists():
        partial = path.with_suffix(".new")
        subprocess.run([sys.executable, SCRIPT, "make", str(rows), partial], check=True)
        partial.rename(path)
    return path


def work() -> Work:
    """Return the reference's work; what it is made of is read from the script itself."""
    reference = _module()
    return Work(
        time="timestamp",
        time_format="%Y-%m-%dT%H:%M:%S",
        key="sensor_id",
        columns=tuple(
            Column(name=name, low=low, high=high, offset=-32, scale=5 / 9, rename="temperature_c")
            if name == FAHRENHEIT
            else Column(name=name, low=low, high=high)
            for name, (low, high) in reference.PHYSICAL.items()
        ),
        fill_rows=reference.GAP_LIMIT,
        grid_s=15 * 60,
        statistics=tuple(reference.STATISTICS),
        windows=reference.WINDOWS,
        rolling=("mean", "std", "q90"),
        lags=reference.LAGS,
        daily=tuple(reference.STATISTICS),
        compression="snappy",
    )


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("frames_reference", SCRIPT)
    if spec is None or spec.loader is None or not SCRIPT.exists():
        raise SystemExit(f"{SCRIPT} is not here: it makes the data.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
