"""One engine on one file, as a process of its own.

python -m benchmarks.frames.worker ENGINE FILE OUT [KEPT]

The last line it prints is JSON: seconds of the work, without imports, and the engine of each part.
"""

import json
import sys
import time
from pathlib import Path

import polars as pl

from benchmarks.frames import duck, reference
from tasks.frames.run import run


def main(engine: str, source: Path, out: Path, kept: Path | None = None) -> None:
    """Do the work."""
    began = time.perf_counter()
    report = {}
    if engine == "duckdb":
        duck.run(reference.work(), source, out)
    else:
        if engine == "cudf":
            pool()
        frame = pl.scan_parquet(source)
        report = run(
            *(reference.work(), frame, out),
            kept=kept,
            engine=engine,  # pyright: ignore[reportArgumentType]  # one of them
            demanded=engine == "cudf",
        )
    print(json.dumps({"work_s": round(time.perf_counter() - began, 3)} | report))


def pool() -> None:
    """Set RMM's pool for all GPU memory of this process."""
    import rmm  # pyright: ignore[reportMissingImports]  # comes with cuDF

    half = int(rmm.mr.available_device_memory()[0] * 0.5) // 256 * 256
    rmm.mr.set_current_device_resource(
        rmm.mr.PoolMemoryResource(rmm.mr.CudaMemoryResource(), initial_pool_size=half)
    )


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
