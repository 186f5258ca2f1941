"""Writes the bundle that measures a workload's variants on another device."""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from tasks.core.artifacts import file_digest
from tasks.core.graph import AS_WRITTEN, INT8_TRT
from tasks.recommend.measured import FORMAT

ROWS = 16  # of real input; calls take them in turn
FROM_HERE = ("measure.py", "README.txt")
TOLERANCE = {"fp32": 1e-3, "fp16": 2e-2, "bf16": 2e-2}  # of the largest output
COARSE = 0.1  # of integers: kernels of other processors round otherwise
PROCESSES = 2 * 11  # a graph: two numbers of threads, a first look and ten rounds


def write(
    out: Path,
    workload: str,
    device: str,
    variants: list[Path],
    rows: dict[str, np.ndarray],
    called: str | None = None,
) -> list[str]:
    """Write the bundle into an empty folder and return the names of the variants in it.

    A graph that two variants share is in it once. Outputs to hold a device's against are computed
    here, by ONNX Runtime.

    Args:
        variants: folders with `variant.json`; those without a graph are left out.
        rows: the graphs' inputs by name, (n, *shape) each; the first ROWS of them are taken.
        called: the name of the folder as the user has it, where `out` is moved to; None: `out`'s.
    """
    few = {name: values[:ROWS] for name, values in rows.items()}
    graphs: dict[str, dict[str, Any]] = {}
    for folder in variants:
        stated = json.loads((folder / "variant.json").read_text())
        if stated["status"] == "ok":
            graph = folder / "model.onnx"
            digest = file_digest(graph)
            if digest not in graphs:
                graphs[digest] = {"sha256": digest, **_graph(out, graph, stated, few)}
    _save(out / "rows.npz", list(few.values()))
    for name in FROM_HERE:
        shutil.copyfile(Path(__file__).with_name(name), out / name)
    n_rows = len(next(iter(few.values())))
    _fill(
        out / "README.txt",
        folder=shlex.quote(called or out.name),
        workload=workload,
        device=device,
        processes=len(graphs) * PROCESSES,
        n_rows=n_rows,
    )
    files = sorted(p for p in out.rglob("*") if p.is_file() and p.name not in FROM_HERE)
    manifest = {
        "format": FORMAT,
        "workload": workload,
        "device": device,
        "inputs": list(few),  # of rows.npz, in order
        "graphs": list(graphs.values()),
        "files": {p.relative_to(out).as_posix(): file_digest(p) for p in files},
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return [graph["variant"] for graph in graphs.values()]


def _graph(
    out: Path, graph: Path, stated: dict[str, Any], rows: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Copy a graph with its outputs for the rows, and return what the manifest says of it."""
    name = f"{stated['model']}/{stated['label']}"
    path, outputs = f"graphs/{name}.onnx", f"outputs/{name}.npz"
    for file in (path, outputs):
        (out / file).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(graph, out / path)
    entries = AS_WRITTEN if stated.get("dialect") == INT8_TRT else {}
    found = _outputs(graph, rows, entries)
    _save(out / outputs, list(found.values()))
    return {
        "variant": name,
        "path": path,
        "outputs": outputs,
        "compared": list(found),
        "tolerance": TOLERANCE.get(stated["precision"], COARSE),
        "entries": entries,
    }


def _outputs(
    graph: Path, rows: dict[str, np.ndarray], entries: dict[str, str]
) -> dict[str, np.ndarray]:
    """Return a graph's outputs of numbers for the rows, by name; the first is what is timed."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    for key, value in entries.items():
        options.add_session_config_entry(key, value)
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs() if o.type in ("tensor(float)", "tensor(double)")]
    inputs = [given.name for given in session.get_inputs()]
    found = [  # a row a call, as the device makes them
        session.run(names, {name: rows[name][at : at + 1] for name in inputs})
        for at in range(len(rows[inputs[0]]))
    ]
    return {
        name: np.concatenate([np.asarray(row[at]) for row in found])
        for at, name in enumerate(names)
    }


def _save(path: Path, arrays: list[np.ndarray]) -> None:
    """Write arrays as an .npz, in order; texts as numpy's own, which need no pickle."""
    np.savez(path, *(a.astype(str) if a.dtype == object else a for a in arrays))


def _fill(path: Path, **facts: Any) -> None:
    path.write_text(path.read_text().format(**facts))
