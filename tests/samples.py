"""Small artifacts as a run on digits leaves them, after the contracts of each step; values are
made up.

Everything is drawn from a seeded generator; the graphs are real ONNX over the 8x8 images.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.core import store
from tasks.core.artifacts import Artifact
from tasks.core.schema import ROW

MODELS = {  # accuracy, resamples' mean, fp32 bytes, p50 in ms of fp32 through ONNX Runtime
    "baseline": (0.1, 0.1, 1_100, 0.006),
    "linear": (0.9639, 0.9601, 4_300, 0.007),
    "random_forest": (0.9722, 0.9755, 912_000, 0.011),
    "xg_boost": (0.9694, 0.9689, 301_000, 0.012),
    "light_gbm": (0.975, 0.9733, 640_000, 0.014),
    "mlp": (0.9806, 0.9799, 104_000, 0.009),
    "convnet": (0.9889, 0.9861, 212_000, 0.062),
}
TREES = ("random_forest", "xg_boost", "light_gbm")
RECIPES = {"fp32": [], "fp16": ["fp16"], "int8_cpu": ["ptq_int8"], "truncate": ["truncate"]}
ENGINES = ("native", "onnx_runtime", "open_vino", "tensor_rt")
GROUP = ["convnet", "mlp"]


def artifact(name: str, files: dict[str, Any]) -> Artifact:
    """Return an artifact of these files: JSON contents, text, bytes or frames by relative name."""
    with store.writing() as folder:
        for relative, content in files.items():
            path = folder / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, pl.DataFrame):
                content.write_parquet(path)
            elif isinstance(content, np.ndarray):
                np.save(path, content)
            elif isinstance(content, bytes | str):
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
            else:
                path.write_text(json.dumps(content, sort_keys=True))
        return store.put(name, folder)


def leaderboard(seed: int = 0) -> dict[str, Any]:
    """Return leaderboard.json of seven models; `convnet` and `mlp` are tied."""
    ranked = sorted(MODELS, key=lambda m: -MODELS[m][1])
    models = []
    for rank, name in enumerate(ranked, 1):
        value, mean = MODELS[name][:2]
        half = 1.96 * (value * (1 - value) / 360) ** 0.5
        metrics = {
            "accuracy": {"value": value, "low": value - half, "high": min(1.0, value + half)},
            "log_loss": {
                "value": 2.3 * (1 - value),
                "low": 2 * (1 - value),
                "high": 2.6 * (1 - value),
            },
            "macro_f1": {
                "value": value - 0.001,
                "low": value - half,
                "high": min(1.0, value + half),
            },
        }
        models.append(
            {
                "name": name,
                "rank": rank,
                "metrics": metrics,
                "resamples": {"accuracy": {"mean": mean, "std": 0.006, "n": 10}},
                "p_adjusted_vs_best": None if rank == 1 else {2: 0.21}.get(rank, 0.004),
                "tied_with_best": name in GROUP,
            }
        )
    pairwise = [
        {
            "a": a,
            "b": b,
            "difference": MODELS[a][1] - MODELS[b][1],
            "low": MODELS[a][1] - MODELS[b][1] - 0.008,
            "high": MODELS[a][1] - MODELS[b][1] + 0.008,
            "p": 0.1 if {a, b} == set(GROUP) else 0.001,
            "p_adjusted": 0.21 if {a, b} == set(GROUP) else 0.004,
        }
        for i, a in enumerate(ranked)
        for b in ranked[i + 1 :]
    ]
    return {
        "task": "classification",
        "judged": "test",
        "rows_judged": 360,
        "primary": "accuracy",
        "greater_is_better": True,
        "models": models,
        "group": GROUP,
        "method": "corrected resampled t-test (Nadeau & Bengio 2003) over 10 resamples, Holm's "
        "correction",
        "pairwise": pairwise,
    }


def variants() -> dict[str, dict[str, Any]]:
    """Return variant.json of every model and recipe, by "<model>/<label>"."""
    found = {}
    for model, (accuracy, _, size, _) in MODELS.items():
        for label, recipe in RECIPES.items():
            reason = _reason(model, label)
            entry: dict[str, Any] = {
                "model": model,
                "recipe": recipe,
                "label": label,
                "status": "not_applicable" if reason else "ok",
                "reason": reason,
                "precision": {"fp16": "float16", "int8_cpu": "int8"}.get(label, "float32"),
                "dialect": "int8_cpu" if label == "int8_cpu" else None,
                "opset": 20,
                "engines_note": "ONNX Runtime only (ai.onnx.ml)" if model in TREES else None,
            }
            if not reason:
                ratio = {"fp32": 1, "fp16": 0.5, "int8_cpu": 0.27, "truncate": 0.5}[label]
                lost = {"int8_cpu": 1, "truncate": 2}.get(label, 0) / 360
                entry |= {
                    "parity": {"rows": 360, "max_abs": 1e-7, "max_rel": 2e-6, "tolerance": 1e-4},
                    "metrics": {"accuracy": accuracy - lost, "log_loss": 2.3 * (1 - accuracy)},
                    "file": "model.onnx",
                    "bytes": int(size * ratio),
                    "weight_bytes": int(size * ratio * 0.9),
                    "zstd_bytes": int(size * ratio * 0.7),
                }
            found[f"{model}/{label}"] = entry
    return found


def _reason(model: str, label: str) -> str | None:
    if label == "truncate" and model not in TREES:
        return "only ensembles of trees have rounds to leave out"
    if label in ("fp16", "int8_cpu") and (model in TREES or model == "baseline"):
        return "trees have no weights to quantise: thresholds decide, not products"
    return None


def measurements(samples: int = 1200, seed: int = 0) -> tuple[dict[str, Any], pl.DataFrame]:
    """Return measurements.json and latencies.parquet (a tenth of the samples)."""
    random = np.random.default_rng(seed)
    rows, latencies = [], []
    for name, variant in variants().items():
        if variant["status"] != "ok":
            continue
        for engine in ENGINES:
            for batch in (1, 64):
                row, sample = _measured(name, variant, engine, batch, samples, random)
                rows.append(row)
                if sample is not None:
                    latencies.append(sample)
    content = {
        "machine": {
            "cpu": "AMD EPYC",
            "cores": 2,
            "gpu": None,
            "memory_gib": 8.0,
            "libraries": {"onnxruntime": "1.31.1"},
        },
        "protocol": {"warm_up": 20, "rounds": 10, "calls": samples, "threads": 1},
        "load_average": {"before": [0.4, 0.5, 0.5], "after": [0.5, 0.5, 0.5]},
        "rows": rows,
    }
    return content, pl.concat(latencies)


def _measured(name, variant, engine, batch, samples, random):
    model = name.split("/")[0]
    row = {"variant": name, "engine": engine, "batch": batch, "status": "ok", "reason": None}
    if engine == "tensor_rt":
        return row | {"status": "unavailable", "reason": "no NVIDIA GPU here"}, None
    if engine == "open_vino" and model in TREES:
        return row | {"status": "unsupported", "reason": "no operator TreeEnsemble"}, None
    if engine == "native" and variant["label"] != "fp32":
        return row | {"status": "unsupported", "reason": "native runs the uncompressed model"}, None
    factor = {"fp32": 1, "fp16": 1.1, "int8_cpu": 0.4, "truncate": 0.8}[variant["label"]]
    p50 = MODELS[model][3] * factor * {"native": 40, "open_vino": 1.6}.get(engine, 1) * batch**0.6
    draws = p50 * random.lognormal(0, 0.08, samples // 10)
    row |= {"p50_ms": p50, "p50_low": p50 * 0.98, "p50_high": p50 * 1.02}
    row |= {"p95_ms": p50 * 1.2, "p95_low": p50 * 1.15, "p95_high": p50 * 1.25, "samples": samples}
    enough = samples >= 1000
    row["p99_ms"] = p50 * 1.5 if enough else "insufficient"
    row["p99_low"] = p50 * 1.4 if enough else "insufficient"
    row["p99_high"] = p50 * 1.8 if enough else "insufficient"
    row |= {"throughput_rows_s": 1000 * batch / p50, "frames_s": 1000 * batch / p50}
    row |= {"memory_mib": 41.0, "gpu_share": None, "metrics": variant["metrics"]}
    row |= {"max_abs_difference": 1e-6, "providers": ["CPUExecutionProvider"]}
    row |= {"nodes": {"CPUExecutionProvider": 14}}
    sample = pl.DataFrame(
        {
            "variant": [name] * len(draws),
            "engine": [engine] * len(draws),
            "batch": [batch] * len(draws),
            "round": np.arange(len(draws)) % 10,
            "ms": draws,
        }
    )
    return row, sample


def graph(model: str, width: float = 1.0) -> bytes:
    """Return a classifier of 8x8 images as whole graphs are: image in; probabilities, label out."""
    from onnx import TensorProto as T
    from onnx import helper, numpy_helper

    random = np.random.default_rng(sum(map(ord, model)))
    weights = random.normal(size=(64, 10)).astype(np.float32) * np.float32(width)
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=T.FLOAT),
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    built = helper.make_graph(
        nodes,
        model,
        [helper.make_tensor_value_info("image", T.UINT8, ["N", 8, 8, 1])],
        [
            helper.make_tensor_value_info("probabilities", T.FLOAT, ["N", 10]),
            helper.make_tensor_value_info("label", T.INT64, ["N"]),
        ],
        [numpy_helper.from_array(weights, "weights")],
    )
    made = helper.make_model(built, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(made, {"target": "digit", "task": "classification"})
    return made.SerializeToString()


def prepared() -> Artifact:
    """Return `features/prepared` of forty 8x8 images."""
    random = np.random.default_rng(1)
    images = random.integers(0, 17, (40, 8, 8, 1), dtype=np.uint8)
    frame = pl.DataFrame(
        {
            ROW: pl.Series(np.arange(1, 41), dtype=pl.UInt32),
            "image": pl.Series(images, dtype=pl.Array(pl.UInt8, (8, 8, 1))),
            "digit": [str(i % 10) for i in range(40)],
        }
    )
    meta = {
        "task": "classification",
        "target": "digit",
        "classes": [str(i) for i in range(10)],
        "inputs": [{"name": "image", "dtype": "uint8", "shape": [8, 8, 1]}],
        "feature_names": [f"pixel_{r}_{c}" for r in range(8) for c in range(8)],
        "image_shape": [8, 8, 1],
        "parts": {"train": 1437, "test": 360},
        "judged": "test",
        "split": {"name": "stratified", "params": {"test": 0.2}, "note": "20 % of each class"},
    }
    X = images.reshape(40, 64).astype(np.float32)
    y = np.arange(40, dtype=np.int64) % 10
    files: dict[str, Any] = {"meta.json": meta, "stop.npy": np.arange(40) % 5 == 0}
    for part in ("train", "test"):
        files |= {f"{part}.parquet": frame, f"X_{part}.npy": X, f"y_{part}.npy": y}
    return artifact("features/prepared", files)


def fitted() -> list[Artifact]:
    """Return `train/<model>` of every model."""
    found = []
    for name in MODELS:
        epochs = np.arange(1, 31)
        curves: dict[str, Any] = {"curves": {}, "x": None}
        if name in ("mlp", "convnet", "xg_boost", "light_gbm"):
            curves = {
                "x": "round" if name in TREES else "epoch",
                "curves": {
                    "train": (2.3 * np.exp(-epochs / 6)).tolist(),
                    "stop": (2.3 * np.exp(-epochs / 7) + 0.08).tolist(),
                },
            }
        importances = {}
        if name in TREES:
            importances = {
                f"pixel_{i // 8}_{i % 8}": float(np.exp(-abs(i - 30) / 9)) for i in range(64)
            }
        files = {
            "predictions.parquet": pl.DataFrame({ROW: [1, 2], "y": [0, 1], "p_0": [0.5, 0.5]}),
            "curves.json": curves,
            "importances.json": importances,
            "fit.json": {
                "params": {"learning_rate": 0.01, "hidden": [128, 64]},
                "n_train": 1437,
                "seed": 0,
            },
        }
        found.append(artifact(f"train/{name}", files))
    return found


def telemetry() -> list[Artifact]:
    """Return `telemetry/<model>` of every model; `convnet` was fitted on a GPU."""
    gpu = [
        {"seconds": float(i), "utilisation": 0.7, "memory_mib": 900.0 + i, "temperature_c": 51.0}
        for i in range(4)
    ]
    return [
        artifact(
            f"telemetry/{name}",
            {
                "telemetry.json": {
                    "wall_s": 1.5,
                    "peak_memory_mib": 310.0,
                    "gpu": gpu if name == "convnet" else None,
                }
            },
        )
        for name in MODELS
    ]


def compressed() -> list[Artifact]:
    """Return `compress/<model>/<label>` of every variant, graphs included."""
    found = []
    for name, variant in variants().items():
        files: dict[str, Any] = {"variant.json": variant}
        if variant["status"] == "ok":
            files["model.onnx"] = graph(name)
        found.append(artifact(f"compress/{name}", files))
    return found


def board() -> Artifact:
    """Return `compare/leaderboard`."""
    return artifact("compare/leaderboard", {"leaderboard.json": leaderboard()})


def measured(samples: int = 1200, seed: int = 0) -> Artifact:
    """Return `benchmark/measurements`."""
    content, latencies = measurements(samples, seed)
    return artifact(
        "benchmark/measurements", {"measurements.json": content, "latencies.parquet": latencies}
    )


def early_steps(bad_rows: int = 3) -> list[Artifact]:
    """Return `ingest/table`, `validate/report`, `clean/table`; names try to break the page."""
    nasty = "<script>alert(1)</script>"
    rows = pl.DataFrame({ROW: [1, 2, 3], "image": ["a", "b", "c"]})
    quarantine = pl.DataFrame(
        {
            "row": [7, 9, 31][:bad_rows],
            "column": ["digit", nasty, "digit"][:bad_rows],
            "value": ["", "</script><b>", "12"][:bad_rows],
            "reason": ["missing", "not allowed", "out of range"][:bad_rows],
        },
        schema={"row": pl.UInt32, "column": pl.String, "value": pl.String, "reason": pl.String},
    )
    columns = {"image": {"type": "image"}, "digit": {"type": "category", "role": "target"}}
    source = {
        "origin": "scikit-learn, load_digits",
        "licence": "CC BY 4.0",
        "sha256": "ab" * 32,
        "rows": 1800,
        "columns": 2,
        "format": {"kind": "parquet"},
        "notes": ["8x8 images in 17 grey levels"],
    }
    checks = {
        "rows": 1800,
        "bad_rows": bad_rows,
        "bad_share": bad_rows / 1800,
        "checks": [
            {
                "check": "values",
                "column": nasty,
                "expected": "one of 10",
                "failed_rows": 1,
                "ok": False,
            },
            {
                "check": "nullable",
                "column": "digit",
                "expected": "no nulls",
                "failed_rows": 0,
                "ok": True,
            },
        ],
        "table_checks": [{"check": "row count", "expected": ">= 1", "found": 1800, "ok": True}],
    }
    step = {
        "step": "duplicates",
        "rows_before": 1797,
        "rows_after": 1797,
        "rows_touched": 0,
        "cells_touched": 0,
        "columns": {},
        "note": "exact copies",
    }
    return [
        artifact(
            "ingest/table", {"table.parquet": rows, "columns.json": columns, "source.json": source}
        ),
        artifact("validate/report", {"checks.json": checks, "quarantine.parquet": quarantine}),
        artifact(
            "clean/table", {"table.parquet": rows, "columns.json": columns, "steps.json": [step]}
        ),
    ]


def version(number: int = 1) -> dict[str, Any]:
    """Return version.json of a registered version."""
    return {
        "registered": True,
        "name": "digits",
        "version": number,
        "workload": "digits",
        "alias": "candidate",
        "aliases": ["candidate", "champion"],
        "uri": f"models:/digits/{number}",
        "variant": "mlp/int8_cpu",
        "tags": {
            "git_commit": "0f1e2d3c",
            "params_digest": "cd" * 32,
            "graph_digest": "ef" * 32,
            "device": "cpu",
        },
    }


def home(monkeypatch: Any, folder: Path) -> None:
    """Move Temper's home into a test's folder."""
    monkeypatch.setenv("TEMPER_HOME", str(folder))


def whole_run(**recommend: Any) -> list[Artifact]:
    """Return every artifact of a run that the report reads; parameters go to `recommend`."""
    from tasks.recommend.params import Params
    from tasks.recommend.task import recommend as step

    leaderboard, variants, measurements = board(), compressed(), measured()
    choice = step.fn(measurements, leaderboard, variants, Params(**recommend), [])
    registered = artifact("register/version", {"version.json": version()})
    return [
        *early_steps(),
        prepared(),
        *fitted(),
        *telemetry(),
        leaderboard,
        *variants,
        measurements,
        choice,
        registered,
    ]
