"""Collecting millions of rows from a web service: seconds, memory, and the same bytes after kills.

    .venv/bin/python -m benchmarks.collecting --rows 20 [--work FOLDER]

A server of this machine answers as TSI Link's telemetry does: a record a minute of each device, a
million a device. They are collected unbroken; then again, killed (SIGKILL) at a third and at two
thirds of the days, and started again; then what was collected becomes a table. Each is a process of
its own. Seconds are with the server's, which takes part of the same cores.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import polars as pl

from benchmarks.harness import ROOT, table, write
from tasks.core.artifacts import folder_digest
from tasks.core.plugins import plugin
from tasks.ingest.remote import collecting, days

FIRST, MINUTES = date(2024, 1, 1), 1440
A_DEVICE = 1_000_000  # rows
SECRETS = {"TSI_CLIENT_ID": "benchmark", "TSI_CLIENT_SECRET": "benchmark"}


def main() -> None:
    """Collect, kill, read; print the table, write benchmarks/results/collecting.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.collecting")
    parser.add_argument("--rows", type=float, default=20, help="in millions")
    parser.add_argument("--work", type=Path, help="a folder for what is collected, kept")
    given = parser.parse_args()
    rows = round(given.rows * 1_000_000)
    with tempfile.TemporaryDirectory(prefix="temper-collecting-") as temporary, serving() as url:
        folder = given.work or Path(temporary)
        whole, killed = folder / "whole", folder / "killed"
        for root in (whole, killed):
            shutil.rmtree(root, ignore_errors=True)
        unbroken = _ended(_started("collect", url, rows, whole))
        files = len(list(whole.glob("*/*.parquet")))
        for share in (1 / 3, 2 / 3):
            _killed(_started("collect", url, rows, killed), killed, share * files)
        _ended(_started("collect", url, rows, killed))
        same = folder_digest(whole) == folder_digest(killed)
        read = _ended(_started("read", url, rows, whole))
    lines = [
        (f"{given.rows:g} M rows collected, {files} files: s", unbroken["wall_s"], ""),
        ("  peak MiB", unbroken["peak_mib"], ""),
        ("  killed at a third and two thirds, and gone on: same bytes", same, "True"),
        (f"{given.rows:g} M rows made a table: s", read["wall_s"], ""),
        ("  peak MiB", read["peak_mib"], ""),
    ]
    table(lines)
    found = {"rows": rows, "files": files, "collected": unbroken, "read": read}
    write("collecting", found | {"same bytes after kills": same})


def child() -> None:
    """Collect, or make a table of what was collected, in a process of its own."""
    what, url, rows, root = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
    os.environ |= SECRETS
    devices = tuple(f"device{at:02}" for at in range(-(-rows // A_DEVICE)))
    count = -(-rows // (len(devices) * MINUTES))
    module = plugin("dataset", "tsi")
    last = FIRST + timedelta(days=count - 1)
    params = module.Params(base_url=url, devices=devices, start=FIRST, end=last)
    if what == "read":
        found = module.read(root, params, None).frame
        assert len(found) == count * MINUTES * len(devices) >= rows
        return
    days.sweep(root)  # as the flow does, of what a killed process left half-written
    for device in devices:
        collecting.collect(module, params, device, root, last + timedelta(days=60))


def _started(*arguments: object) -> subprocess.Popen[bytes]:
    code = "from benchmarks import collecting; collecting.child()"
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT)


def _ended(process: subprocess.Popen[bytes]) -> dict[str, float]:
    """Return seconds and peak memory of a process that has just been started."""
    began = time.perf_counter()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{process.args[3:]} ended with {process.returncode}")  # type: ignore[index]
    seconds = round(time.perf_counter() - began, 1)
    return {
        "wall_s": seconds,
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mib": round(usage.ru_maxrss / 1024),
    }


def _killed(process: subprocess.Popen[bytes], root: Path, files: float) -> None:
    """Kill a collection once it has so many files."""
    while len(list(root.glob("*/*.parquet"))) < files:
        if process.poll() is not None:
            raise SystemExit(f"the collection ended with {process.returncode} before it was killed")
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()


def records(device: str, first: datetime, last: datetime) -> bytes:
    """Return the records of a device from first to last, one a minute, as JSON."""
    minutes = np.arange((last - first) // timedelta(minutes=1))
    at = minutes + int(first.timestamp() // 60)
    day = 2 * np.pi * (at % MINUTES) / MINUTES + int(device[-2:])
    frame = pl.DataFrame(
        {
            "timestamp": pl.Series(at * 60_000, dtype=pl.Datetime("ms")).dt.strftime("%FT%TZ"),
            "device_id": device,
            "temperature": (20 + 3 * np.sin(day)).round(1),
            "rh": (45 + 10 * np.cos(day)).round(),
            "mcpm2x5": (at * 2654435761 % 400) / 10,
            "co2_ppm": 450 + at * 40503 % 900,
        }
    )
    return frame.write_json().encode()


@contextmanager
def serving() -> Iterator[str]:
    """Give the address of a server of telemetry; it is stopped however the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self._say(json.dumps({"access_token": "benchmark", "expires_in": 3600}).encode())

        def do_GET(self) -> None:
            query = {name: found[-1] for name, found in parse_qs(urlsplit(self.path).query).items()}
            first, last = (datetime.fromisoformat(query[f"{end}_date"]) for end in ("start", "end"))
            self._say(records(query["device_id"], first, last))

        def _say(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # who asked was killed
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    main()
