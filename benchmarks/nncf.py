"""Temper's INT8 beside NNCF's: one model, the same calibration rows, one run.

    .venv/bin/pip install nncf==3.4.0   # for this script alone
    .venv/bin/python -m benchmarks.nncf [--work FOLDER] [--cifar FOLDER]

The digits' convnet; with --cifar also the resnet18 of benchmarks/cifar.py's FOLDER. NNCF's defaults
but for `subset_size`, which would leave out all but 300 of the rows.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import timed
from benchmarks.digits import Digits
from benchmarks.harness import table, write
from tasks.compress import applying, certificate, drops, graphs, variants
from tasks.core.plugins import Plugin, names
from tasks.core.prepared import Prepared

ROWS, SEED, TOLERANCE = 512, 0, 1e-4
TEMPER, NNCF = "int8_cpu", "nncf"


def main() -> None:
    """Quantise, measure, print the table, write benchmarks/results/nncf.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nncf")
    parser.add_argument("--work", type=Path, help="a folder to keep the digits in")
    parser.add_argument("--cifar", type=Path, help="what benchmarks.cifar was given as --work")
    given = parser.parse_args()
    if not find_spec("nncf"):
        sys.exit("NNCF is not installed, and Temper does not need it: pip install nncf==3.4.0")
    results = {}
    with tempfile.TemporaryDirectory() as temporary:
        digits = Digits(given.work or Path(temporary))
        model = digits.models["convnet"]
        digits.fp32("convnet")
        results["convnet, digits"] = compared(
            digits.folder / "compress" / "convnet", digits.fitted("convnet"), model, digits.data
        )
    if given.cifar:
        model = Plugin(kind="model", name="resnet18")
        folder, data = given.cifar / "resnet18", Prepared(given.cifar / "prepared")
        results["resnet18, CIFAR-10"] = compared(folder, folder / "fitted", model, data)
    _state(results)


def compared(parent: Path, fitted: Path, model: Plugin, data: Prepared) -> dict[str, Any]:
    """Return sizes, accuracies and latencies of both; `parent` holds the folder `fp32`."""
    with _beside(parent / "fp32") as folders:
        rows = applying.calibration(data, ROWS, SEED)
        metrics = [Plugin(kind="metric", name=name) for name in names("metric")]
        metrics = [m for m in metrics if data.meta.task == m.module.TASK]
        recipe = [Plugin(kind="technique", name="ptq_int8")]
        variants.write_compressed(
            *(folders[TEMPER], folders["fp32"], fitted, model, TEMPER, recipe, data.folder),
            *(metrics, TOLERANCE, ROWS, SEED),
        )
        _quantise(folders["fp32"], folders[NNCF], rows)
        _, times = timed.latencies(list(folders.values()), fitted, model, data)
        judged = data.meta.judged
        right = {n: _right(f, data.feed(judged), data.y(judged)) for n, f in folders.items()}
        stated = {n: json.loads((f / "variant.json").read_text()) for n, f in folders.items()}
    return {
        "rows": {"calibration": certificate.digest(rows), "judged": len(right[NNCF])},
        "variants": {n: _figures(n, stated[n], right[n], times) for n in folders},
        "accuracy, Temper less NNCF": _difference(right[TEMPER], right[NNCF]),
        "times faster, Temper than NNCF": {
            engine: timed.faster(times, TEMPER, NNCF, engine) for engine in timed.ENGINES
        },
    }


@contextmanager
def _beside(fp32: Path) -> Iterator[dict[str, Path]]:
    """Give a folder each for the fp32 graph, Temper's variant and NNCF's."""
    with tempfile.TemporaryDirectory() as folder:
        made = {name: Path(folder) / name for name in ("fp32", TEMPER, NNCF)}
        shutil.copytree(fp32, made["fp32"])
        for name in (TEMPER, NNCF):
            made[name].mkdir()
        yield made


def _quantise(parent: Path, out: Path, rows: dict[str, np.ndarray]) -> None:
    """Write what NNCF makes of a graph, and as much of a certificate as measuring asks for."""
    import onnx

    nncf = import_module("nncf")  # the library: this file has the same name
    items = [{name: v[at : at + 1] for name, v in rows.items()} for at in range(ROWS)]
    made = nncf.quantize(onnx.load(parent / "model.onnx"), nncf.Dataset(items), subset_size=ROWS)
    content = graphs.serialise(made)
    before = json.loads((parent / "variant.json").read_text())
    unknown = dict.fromkeys(before)
    stated = {
        **{"model": before["model"], "label": NNCF, "status": "ok", "file": "model.onnx"},
        "bytes": len(content),
        "zstd_bytes": certificate.zstd_bytes(content),
        "weight_bytes": graphs.weight_bytes(made.graph),
    }
    certificate.write(out, {**unknown, **stated})
    (out / "model.onnx").write_bytes(content)


def _right(folder: Path, feed: dict[str, np.ndarray], y: np.ndarray) -> np.ndarray:
    """Return which rows ONNX Runtime classifies rightly by a variant, (n,) bool."""
    found = graphs.run(graphs.session((folder / "model.onnx").read_bytes()), feed)
    return found.argmax(axis=1) == y


def _difference(mine: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    """Return the difference of two accuracies on the same rows, its interval (95 %) by Tango."""
    lost, won = int((other & ~mine).sum()), int((mine & ~other).sum())
    ends = (-drops.tango(lost, won, len(mine), 0.975), drops.tango(won, lost, len(mine), 0.975))
    return {
        "value": round((won - lost) / len(mine), 5),
        "interval": [round(end, 5) for end in ends],
        "only_temper_right": won,
        "only_nncf_right": lost,
    }


def _figures(
    label: str, stated: dict[str, Any], right: np.ndarray, times: timed.Times
) -> dict[str, Any]:
    found = {key: stated[key] for key in ("bytes", "zstd_bytes", "weight_bytes")}
    found["accuracy"] = round(float(right.mean()), 5)
    found["p50_us"] = {e: round(1e3 * float(np.median(times[label, e])), 1) for e in timed.ENGINES}
    if label != "fp32":
        found["speedups"] = {e: timed.faster(times, label, "fp32", e) for e in timed.ENGINES}
    return found


def _state(results: dict[str, Any]) -> None:
    rows: list[tuple[str, Any, str]] = []
    for name, found in results.items():
        mine, other = found["variants"][TEMPER], found["variants"][NNCF]
        apart = found["accuracy, Temper less NNCF"]
        rows += [
            (f"{name}: bytes, Temper's INT8", mine["bytes"], f"<= {other['bytes']}"),
            ("  accuracy", mine["accuracy"], f"NNCF {other['accuracy']}"),
            ("  its difference, interval", apart["interval"], "reaches 0 or above"),
        ]
        for engine, speed in found["times faster, Temper than NNCF"].items():
            rows.append((f"  times faster, {engine}, us {mine['p50_us'][engine]}", speed, ">= 1"))
    table(rows)
    versions = {name: metadata.version(name) for name in ("nncf", "openvino")}
    write("nncf", {"versions": versions, "threads": 1, "batch": 1, "models": results})


if __name__ == "__main__":
    main()
