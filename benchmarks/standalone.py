"""Does each variant give its certified metrics again, from its file alone?

    python benchmarks/standalone.py FOLDER ROWS [--json FILE]

FOLDER holds variants at any depth: folders with `model.onnx` and `variant.json`. ROWS is a Parquet
file of the judged rows: the columns that the graphs name, and the target. This script imports
nothing of Temper: what a graph predicts, what its columns, target and classes are called, stands in
the graph; the metrics are computed here. Exit code 1: a certificate does not hold.
"""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import openvino
import polars as pl

BATCH = 1024
# Of a metric, relative where that is above 1. ONNX Runtime is what they are certified by; OpenVINO
# rounds quantised layers otherwise, and a row that changes its bin moves the calibration error.
TOLERANCE = {"onnx_runtime": 1e-6, "open_vino": 0.01}
TYPES = {"float": np.float32, "double": np.float64, "uint8": np.uint8}
# Graphs of these dialects are certified by ONNX Runtime with its fusion of Q/DQ off.
DIALECTS, AS_WRITTEN = ("int8_trt", "int4_qdq"), {"session.disable_quant_qdq": "1"}


def main() -> None:
    """Check every variant, print the table, exit with 0 or 1."""
    parser = argparse.ArgumentParser(prog="standalone.py", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--json", type=Path, help="where to write the rows of the table")
    given = parser.parse_args()
    found = sorted(path.parent for path in given.folder.rglob("variant.json"))
    if not found:
        sys.exit(f"{given.folder}: no variant.json below it")
    frame = pl.read_parquet(given.rows)
    rows = [row for folder in found for row in checked(folder, given.folder, frame)]
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))
    _print(rows)
    sys.exit(any(row["status"] == "differs" for row in rows))


def checked(folder: Path, root: Path, frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return a row for each engine: the certified metrics, those found, and what is to be said."""
    stated = json.loads((folder / "variant.json").read_text())
    row = {"variant": folder.relative_to(root).as_posix(), "status": "ok", "why": ""}
    if stated["status"] != "ok":
        return [{**row, "engine": "", "status": stated["status"], "why": stated["reason"]}]
    rows = []
    for engine, load in (("onnx_runtime", _onnx_runtime), ("open_vino", _open_vino)):
        made = {**row, "engine": engine, "certified": stated["metrics"]}
        try:
            session = _session(folder / "model.onnx", stated["dialect"])
            if engine == "open_vino" and (why := _unfit(session, stated)):
                rows.append({**made, "status": "skipped", "why": why})
                continue
            made["found"] = _found(session, load(folder / "model.onnx", session), frame)
        except Exception as error:  # it does not open, whatever the engine raises
            rows.append({**made, "status": "differs", "why": " ".join(str(error).split())[:120]})
            continue
        apart = {
            name: _apart(value, made["found"].get(name))
            for name, value in made["certified"].items()
        }
        wrong = [name for name, value in apart.items() if not value <= TOLERANCE[engine]]
        made |= {"apart": max(apart.values()), "status": "differs" if wrong else "ok"}
        rows.append({**made, "why": ", ".join(wrong)})
    return rows


def _apart(certified: float | None, found: float | None) -> float:
    """Return how far a metric is from the certified one; infinite where only one is defined."""
    if certified is None or found is None or not math.isfinite(found):
        undefined = found is None or not math.isfinite(found)
        return 0.0 if certified is None and undefined else math.inf
    return abs(found - certified) / max(1, abs(certified))


def _unfit(session: Any, stated: dict[str, Any]) -> str | None:
    """Return why OpenVINO cannot read a graph, or None."""
    if "ai.onnx.ml" in stated["domains"]:
        return "a tree ensemble (ai.onnx.ml)"
    texts = [i.name for i in session.get_inputs() if i.type == "tensor(string)"]
    return f"text inputs ({', '.join(texts[:3])})" if texts else None


def _found(session: Any, run: Any, frame: pl.DataFrame) -> dict[str, float]:
    """Return the metrics of what `run` predicts for all rows, by name."""
    properties = session.get_modelmeta().custom_metadata_map
    feed = {i.name: _tensor(frame[i.name], i.type, i.shape) for i in session.get_inputs()}
    parts = [
        run({n: v[at : at + BATCH] for n, v in feed.items()}) for at in range(0, len(frame), BATCH)
    ]
    predicted = np.concatenate(parts).astype(np.float64)
    target = frame[properties["target"]]
    if properties["task"] == "regression":
        return _of_values(target.cast(pl.Float64).to_numpy(), predicted[:, 0])
    places = {label: i for i, label in enumerate(json.loads(properties["classes"]))}
    if target.dtype.is_float():
        target = target.cast(pl.Int64)  # 1.0 is the class "1"
    return _of_classes(np.array([places[v] for v in target.cast(pl.String)]), predicted)


def _tensor(column: pl.Series, kind: str, shape: list[Any]) -> np.ndarray:
    """Return a column as an input tensor (rows, *shape); missing: NaN, or an empty text."""
    kind = kind.removeprefix("tensor(").removesuffix(")")
    if kind == "string":
        values = column.cast(pl.String).fill_null("").to_numpy().astype(object)
    elif len(shape) > 2:
        values = np.asarray(column.to_numpy(), TYPES[kind])
    else:
        if column.dtype.is_temporal():  # seconds since 1970
            column = column.dt.epoch("us").cast(pl.Float64) / 1e6
        wide = pl.Float32 if kind == "float" else pl.Float64
        values = column.cast(wide).fill_null(float("nan")).to_numpy()
    return np.ascontiguousarray(values.reshape(len(column), *shape[1:]))


def _session(path: Path, dialect: str | None) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    for key, value in AS_WRITTEN.items() if dialect in DIALECTS else ():
        options.add_session_config_entry(key, value)
    return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])


def _onnx_runtime(path: Path, session: Any) -> Any:
    output = [session.get_outputs()[0].name]
    return lambda feed: session.run(output, feed)[0]


def _open_vino(path: Path, session: Any) -> Any:
    """Return what runs the file in OpenVINO, in float32: its own default is bf16 on some CPUs."""
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(str(path)), "CPU", settings)
    known = {i.name for i in session.get_inputs()}  # a tensor has the names of its copies too
    names = [min(known & i.get_names()) for i in compiled.inputs]
    return lambda feed: np.array(compiled({n: feed[n] for n in names})[0])


def _of_values(y: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    error = predicted - y
    spread = float(((y - y.mean()) ** 2).sum())
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "r2": 1 - float((error**2).sum()) / spread if spread else math.nan,
    }


def _of_classes(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Return the metrics of probabilities p (n, k) for class indices y (n,)."""
    right = p[np.arange(len(y)), y] / p.sum(axis=1)
    chosen = p.argmax(axis=1)
    return {
        "accuracy": float((chosen == y).mean()),
        "log_loss": float(-np.log(np.clip(right, 1e-15, 1)).mean()),
        "macro_f1": _macro_f1(y, chosen),
        "roc_auc": _roc_auc(y, p),
        "calibration_error": _calibration_error(y, p),
    }


def _macro_f1(y: np.ndarray, chosen: np.ndarray) -> float:
    classes = np.union1d(y, chosen)
    hits = [
        2 * ((y == c) & (chosen == c)).sum() / ((y == c).sum() + (chosen == c).sum())
        for c in classes
    ]
    return float(np.mean(hits))


def _roc_auc(y: np.ndarray, p: np.ndarray) -> float:
    """Return the area under the ROC curve: of class 1 of two, else the mean over the classes."""
    areas = []
    for c in [1] if p.shape[1] == 2 else range(p.shape[1]):
        ups, downs = p[y == c, c], p[y != c, c]
        if len(ups) and len(downs):
            above = (ups[:, None] > downs).mean() + 0.5 * (ups[:, None] == downs).mean()
            areas.append(above)
    return float(np.mean(areas)) if areas else math.nan


def _calibration_error(y: np.ndarray, p: np.ndarray) -> float:
    """Return the expected calibration error over 15 bins of equal width."""
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    place = np.clip(np.ceil(confidence * 15).astype(int) - 1, 0, 14)
    gaps = np.bincount(place, right - confidence, minlength=15)
    return float(np.abs(gaps).sum() / len(y))


def _print(rows: list[dict[str, Any]]) -> None:
    """Print a line a variant and engine; `apart`: the largest difference over all metrics."""
    unfit = [row for row in rows if row["status"] == "not_applicable"]
    print(f"{'variant':34} {'engine':13} {'metric':9} {'certified':>9} {'found':>9} {'apart':>8}")
    for row in [row for row in rows if row not in unfit]:
        certified, found = row.get("certified", {}), row.get("found", {})
        name = "accuracy" if "accuracy" in certified else "rmse"
        both = [" " * 9 if m.get(name) is None else f"{m[name]:9.6f}" for m in (certified, found)]
        apart = f"{row['apart']:8.1g}" if "apart" in row else " " * 8
        line = f"{row['variant']:34} {row['engine']:13} {name:9} {both[0]} {both[1]} {apart}"
        print(f"{line}  {row['status']} {row['why'][:100]}")
    print(f"{len(unfit)} variants are none: their recipe does not apply to the model.")


if __name__ == "__main__":
    main()
