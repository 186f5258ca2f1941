"""The memory that ONNX Runtime takes to run a graph with one row: python -m benchmarks.resident.

The same graph is loaded, run and dropped first, so that libraries' pages are there already and
freed memory is back with the system. Then it is loaded again: from here on the process's resident
set grows by what this session holds. Its peak is reset after loading (parsing takes a multiple of
the weights for a moment), and read after five runs, the input included. malloc takes whatever has
64 KiB or more from the system by itself, so that what is freed counts no longer. Linux only.
"""

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import ROOT

RUNS = 5


def measured(path: Path, arena: bool) -> dict[str, float]:
    """Return `weights_mib` (resident once loaded) and `peak_mib`, measured in a child process.

    arena: whether ONNX Runtime's own allocator is on, as it is by default: it keeps what it once
    took, so that more is held than is ever in use at a time.
    """
    command = [sys.executable, "-m", "benchmarks.resident", str(path)]
    done = subprocess.run(
        [*command, "--arena"] if arena else command,
        env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout)


def main() -> None:
    """Measure in this process and print the figures as JSON."""
    import onnxruntime

    parser = argparse.ArgumentParser(prog="python -m benchmarks.resident")
    parser.add_argument("path", type=Path)
    parser.add_argument("--arena", action="store_true")
    asked = parser.parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = asked.arena

    def load() -> Any:
        providers = ["CPUExecutionProvider"]
        return onnxruntime.InferenceSession(str(asked.path), options, providers=providers)

    def run(session: Any) -> None:
        given = session.get_inputs()[0]
        rows = np.ones((1, *given.shape[1:]), np.float32)
        for _ in range(RUNS):
            session.run(None, {given.name: rows})

    run(load())
    _give_back()
    before = _resident("VmRSS")
    session = load()
    _give_back()
    loaded = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    run(session)
    print(
        json.dumps({"weights_mib": loaded - before, "peak_mib": _resident("VmHWM") - before}),
    )


def _give_back() -> None:
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)


def _resident(key: str) -> float:
    """Return a line of /proc/self/status in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{key}:"))


if __name__ == "__main__":
    main()
