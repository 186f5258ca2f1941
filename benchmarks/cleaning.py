"""The clean step `grid` beside the single steps that it stands for, on a table of sensors.

    .venv/bin/python -m benchmarks.cleaning --rows 5 20 [--rounds 3] [--work FOLDER]

Millions of rows of the frames reference's data, from the raw Parquet to the cleaned one as the task
`clean` does it: range, units, gaps, a grid of 15 minutes, three windows, three lags; 128 features.
The single steps with accounts of each, and as one lazy plan (`accounts: rows`); `grid` alone, and
behind two steps that look for faults. Each is a process of its own, timed whole, in turn. The
largest is killed (SIGKILL) with a part finished, by each way, and started again.
"""

import argparse
import hashlib
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.frames import reference
from benchmarks.harness import ROOT, table, write
from tasks.clean import parts
from tasks.clean.params import Params
from tasks.core.schema import ROW, Column, Columns
from tasks.frames.spec import Work

WINDOWS, LAGS = ["1h", "3h", "24h"], ["15m", "1h", "24h"]
STATISTICS, ROLLING = ["mean", "min", "max", "std"], ["mean", "std", "q90"]
GRID, FAULTS, SINGLE, PLAN = "grid", "sentinels, stuck, grid", "single steps", "one lazy plan"
WAYS = (GRID, FAULTS, SINGLE, PLAN)


def main() -> None:
    """Measure, compare, kill; print the table, write benchmarks/results/cleaning.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cleaning")
    parser.add_argument("--rows", type=float, nargs="+", default=[5, 20], help="in millions")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="a folder for the data, kept")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="temper-cleaning-") as temporary:
        folder = given.work or Path(temporary)
        os.environ.setdefault("TEMPER_HOME", str(folder / "home"))
        sizes = {}
        for millions in sorted(given.rows):
            source = _raw(round(millions * 1_000_000), folder)
            sizes[f"{millions:g}"] = _rounds(source, folder, given.rounds)
        killed = {way: _killed(way, source, folder) for way in WAYS}  # of the largest
    lines: list[tuple[str, Any, str]] = []
    for millions, of in sizes.items():
        for way in WAYS:
            wall = statistics.median(sample["wall_s"] for sample in of[way])
            lines.append((f"{millions} M rows, {way}: median s", round(wall, 1), ""))
            lines.append(("  peak MiB", max(s["peak_mib"] for s in of[way]), ""))
        for way, ratio in of["times as fast"].items():
            said = "{:.2f} [{:.2f}, {:.2f}]".format(*ratio)
            lines.append((f"  {way}: times as fast as single steps", said, ""))
        lines.append(("  equal", of["equal"], "True"))
    lines += [
        (f"{way}, killed and gone on: same bytes", same, "True") for way, same in killed.items()
    ]
    table(lines)
    write("cleaning", {"sizes": sizes, "same bytes after a kill": killed})


def _raw(rows: int, folder: Path) -> Path:
    """Return the raw table as `ingest` leaves it: numbered rows, times as such."""
    path = folder / f"raw_{rows}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        times = pl.col("timestamp").str.to_datetime(time_unit="us")
        made = pl.scan_parquet(reference.make(rows, folder)).with_columns(times)
        made = made.with_row_index(ROW, offset=1).cast({ROW: pl.UInt32})
        made.sink_parquet(path.with_suffix(".new"), row_group_size=2**17)
        path.with_suffix(".new").rename(path)
    return path


def _clean(way: str, source: Path, folder: Path) -> None:
    """Clean, as the task does."""
    out = folder / "out"
    out.mkdir(parents=True, exist_ok=True)
    work = reference.work()
    steps = Params.model_validate({"steps": _steps(way, work)}).steps
    accounts = "rows" if way == PLAN else "cells"
    parts.run(source, _columns(work), steps, "cpu", folder / "kept", out, accounts=accounts)


def _columns(work: Work) -> Columns:
    measured = {
        c.name: Column(type="float", min=c.low, max=c.high, unit="degF" if c.rename else None)
        for c in work.columns
    }
    keys: Columns = {"sensor_id": Column(type="category", role="group")}
    return {"timestamp": Column(type="datetime", role="time")} | keys | measured


def _steps(way: str, work: Work) -> list[Any]:
    if way in (GRID, FAULTS):
        before = ["types", "sentinels", "stuck"] if way == FAULTS else []
        also = {"fill_rows": work.fill_rows, "windows": WINDOWS, "rolling": ROLLING, "lags": LAGS}
        return [*before, {"grid": {"statistics": STATISTICS, "to": {"degF": "degC"}} | also}]
    means = [f"{column.name}_mean" for column in work.columns]
    return [
        *("types", "sorted_unique", "range"),
        {"units": {"convert": True}},
        {"fill_forward": {"limit": work.fill_rows}},
        {"resample": {"statistics": STATISTICS}},
        {"rolling": {"windows": WINDOWS, "statistics": ROLLING, "columns": means}},
        {"lags": {"by": LAGS, "columns": means}},
    ]


def _started(way: str, source: Path, folder: Path) -> subprocess.Popen[bytes]:
    code = "from benchmarks import cleaning; cleaning.child()"
    return subprocess.Popen([sys.executable, "-c", code, way, source, folder], cwd=ROOT)


def child() -> None:
    """Clean, in a process of its own."""
    _clean(sys.argv[1], *map(Path, sys.argv[2:]))


def _once(way: str, source: Path, folder: Path) -> dict[str, Any]:
    """Return seconds, processor seconds and peak memory of a whole process."""
    shutil.rmtree(folder, ignore_errors=True)
    began = time.perf_counter()
    process = _started(way, source, folder)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{way} ended with {process.returncode}")
    return {
        "wall_s": round(time.perf_counter() - began, 2),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": round(usage.ru_maxrss / 1024),
    }


def _rounds(source: Path, folder: Path, count: int) -> dict[str, Any]:
    found: dict[str, Any] = {way: [] for way in WAYS}
    for number in range(count):
        for way in WAYS[:: 1 if number % 2 else -1]:
            found[way].append(_once(way, source, folder / way))
            print(f"  {source.stem}, round {number + 1}, {way}: {found[way][-1]}", flush=True)
    ratios = {
        way: [s["wall_s"] / o["wall_s"] for s, o in zip(found[SINGLE], found[way], strict=True)]
        for way in WAYS
        if way != SINGLE
    }
    found["times as fast"] = {
        way: [statistics.median(of), min(of), max(of)] for way, of in ratios.items()
    }
    made = {way: folder / way / "out" / "table.parquet" for way in WAYS}
    found["equal"] = all(_equal(made[way], made[SINGLE]) for way in (GRID, PLAN))
    return found


def _equal(one: Path, other: Path) -> bool:
    """Return whether two tables are equal, numbers within 1e-9 of their column's largest."""
    a, b = pl.scan_parquet(one), pl.scan_parquet(other)
    schema = a.collect_schema()
    if schema != b.collect_schema():
        return False
    for name, dtype in schema.items():
        both = pl.DataFrame(
            [s.select(name).collect()[name].alias(n) for s, n in ((a, "a"), (b, "b"))]
        )
        apart = pl.col("a").ne_missing(pl.col("b"))
        if dtype.is_float():
            close = (pl.col("a") - pl.col("b")).abs() <= 1e-9 * pl.col("b").abs().max()
            apart = (pl.col("a").is_null() != pl.col("b").is_null()) | ~close
        if both.select(apart.any()).item():
            return False
    return True


def _killed(way: str, source: Path, folder: Path) -> bool:
    """Return whether a run killed with a part finished ends with the bytes of an unbroken one."""
    expected, place = _digest(folder / way), folder / "killed"
    shutil.rmtree(place, ignore_errors=True)
    process = _started(way, source, place)
    mark = "kept/*/account.json" if way != GRID else "kept/kept/features/*.parquet"
    while not list(place.glob(mark)):
        if process.poll() is not None:
            raise SystemExit(f"{way}: it ended before it could be killed")
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if _started(way, source, place).wait():
        raise SystemExit(f"{way}: it did not go on")
    return _digest(place) == expected


def _digest(folder: Path) -> str:
    with open(folder / "out" / "table.parquet", "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
