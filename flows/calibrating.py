"""`temper calibrate`: a device measures a workload's variants; its figures replace estimates."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from flows import calibrations, remote, view
from flows.workload import load
from tasks.core import slots
from tasks.core.artifacts import Made, file_digest, under
from tasks.core.counting import counted
from tasks.core.errors import DataError, ParamsError, TemperError
from tasks.core.plugins import plugin
from tasks.core.prepared import Prepared
from tasks.core.temporary import folder as temporary
from tasks.recommend.bundle.write import ROWS, write
from tasks.recommend.measured import Measured, Row, check_board, read

HERE = "this_machine"


def calibrate(
    name: str,
    device: str,
    bundle: Path | None = None,
    measured: Path | None = None,
    ssh: str | None = None,
    python: str = "python3",
) -> None:
    """Write a bundle, or take in what one measured, or do all of it: by ssh, or on this machine.

    Raises:
        ParamsError: not one of these, or no such workload or device.
        DataError: there is no run to measure, or what was measured is not sound.
    """
    load(name)
    plugin("device", device)
    ways = [way for way in (bundle, measured, ssh) if way is not None]
    if len(ways) > 1 or (not ways and device != HERE):
        raise ParamsError(
            f"expected one of --bundle FOLDER, --measured measured.json, --ssh USER@HOST for "
            f"{device}, found {len(ways)}; only {HERE} is measured without any"
        )
    made = view.take(name, ["features", "compress"])
    if bundle:
        _bundle(name, device, made, bundle)
    elif measured:
        _keep(name, device, made, measured)
    else:
        with temporary() as place:
            _write(name, device, made, place)
            found = remote.measure(place, ssh, python) if ssh else measure_here(place)
            _keep(name, device, made, found)


def measure_here(place: Path, *options: str) -> Path:
    """Run a bundle in a bare process of this Python, alone on the machine; return its JSON.

    Raises:
        TemperError: it failed; with its last words.
    """
    print("Measuring on this machine. It waits until no other work of Temper runs.", flush=True)
    with slots.alone():
        done = subprocess.run(
            [sys.executable, "-I", str(place / "measure.py"), *options], check=False
        )
    if done.returncode:
        raise TemperError(f"measure.py ended with code {done.returncode}: see what it said above")
    return place / "measured.json"


def _bundle(name: str, device: str, made: Made, target: Path) -> None:
    """Write the bundle as a new folder, or as a .zip."""
    if target.exists() and (target.is_file() or any(target.iterdir())):
        raise ParamsError(f"--bundle {target}: it is there already; name a new folder or .zip")
    with temporary() as place:
        whole = target.resolve().name
        called = Path(whole).stem if target.suffix == ".zip" else whole
        variants = _write(name, device, made, place, called)
        if target.suffix == ".zip":
            _zip(place, target)
        else:
            shutil.copytree(place, target, dirs_exist_ok=True)
    print(
        f"{target}: {counted(len(variants), 'graph')} ({', '.join(variants)}) and {ROWS} rows of "
        f"{name}. "
        "README.txt in it says how to copy, run and bring back."
    )


def _zip(place: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in place.rglob("*") if p.is_file()):
            archive.write(file, Path(target.stem) / file.relative_to(place))


def _write(name: str, device: str, made: Made, place: Path, called: str | None = None) -> list[str]:
    data = Prepared(made["features/prepared"].path)
    rows = data.feed(data.meta.judged, slice(ROWS))
    variants = [artifact.path for artifact in under(made, "compress")]
    return write(place, name, device, variants, rows, called)


def _keep(name: str, device: str, made: Made, path: Path) -> None:
    """Put what was measured beside params.yaml, and say what it is.

    Raises:
        DataError: it is not sound, of another workload or device, or of graphs of no variant.
    """
    found, known = read(path), _graphs(made)
    strangers = _checked(found, name, device, known, path)
    target = calibrations.place(device, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    part.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    os.replace(part, target)
    measured = {row.graph for row in found.rows if row.status == "ok"} & known
    print(
        f"{target}: {len(measured)} of {len(known)} graphs measured. Keep it in git; "
        f"`temper run {name}` shows it in the recommendation and the report."
    )
    for row in found.rows:
        if row.graph in known:
            print(f"  {_words(row)}")
    if strangers:
        print(f"note: of no variant of the last run, and not shown: {strangers}")
    if found.throttled:
        print(f"note: the device was {found.throttled}: cool it and measure again")


def _checked(found: Measured, name: str, device: str, known: set[str], path: Path) -> str:
    """Return the graphs that are of no variant, in words; one at least has to be.

    Raises:
        DataError: it is of another workload, device or board, or all graphs are of no variant.
    """
    if (found.workload, found.device) != (name, device):
        raise DataError(
            f"{path}: expected what a {device} measured of {name}, found {found.workload} on a "
            f"{found.device}"
        )
    check_board(found)
    others = {row.graph: row.variant for row in found.rows if row.graph not in known}
    named = ", ".join(f"{variant} ({graph[:12]})" for graph, variant in others.items())
    if all(row.graph in others for row in found.rows):
        raise DataError(
            f"{path}: none of its graphs is a variant of the last run: {named}. "
            f"Make a new bundle: `temper calibrate {name} --device {device} --bundle FOLDER`"
        )
    return named


def _graphs(made: Made) -> set[str]:
    """Return the sha256 of every variant's graph."""
    graphs = (artifact.path / "model.onnx" for artifact in under(made, "compress"))
    return {file_digest(graph) for graph in graphs if graph.is_file()}


def _words(row: Row) -> str:
    name = f"{row.variant}, threads {row.threads}"
    if row.status != "ok":
        return f"{name}: {row.reason}"
    p99 = f"p99 {row.p99_ms:.4g}" if row.p99_ms else "too few calls for a p99"
    return (
        f"{name}: p50 {row.p50_ms:.4g} ms [{row.p50_low:.4g}, {row.p50_high:.4g}], {p99}, "
        f"{row.samples} calls, {row.peak_rss_mib:.0f} MiB"
    )
