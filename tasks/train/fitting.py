"""Fits one model on prepared data and writes all that later steps read; runs in a child process."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tasks.core.fitting import FitContext, training_data
from tasks.core.plugins import Plugin
from tasks.core.prepared import Prepared
from tasks.core.schema import ROW


def fit_model(
    name: str,
    params: dict[str, Any],
    prepared_folder: Path,
    out_folder: Path,
    seed: int,
    threads: int,
    device: str,
    checkpoint: Path | None,
    note: str | None = None,
    pieces: int = 1,
) -> None:
    """Write model files, predictions.parquet, curves.json, importances.json and fit.json.

    Fitted on the part `train` without its `stop` rows; early stopping on those; predictions of the
    judged part, which the fit never sees. `note` says why the device is not the machine's;
    `pieces` in how many a batch is worked on, where the plugin `SPLITS`.
    """
    plugin = Plugin(kind="model", name=name, params=params)
    module, typed = plugin.module, plugin.typed
    prepared = Prepared(Path(prepared_folder))
    meta = prepared.meta
    data = training_data(prepared)
    context = FitContext(seed, threads, device, Path(checkpoint) if checkpoint else None, pieces)
    model = module.fit(data, typed, context)
    out = Path(out_folder)
    module.save(model, out)
    predictions(
        prepared, module.predict(model, prepared.X(meta.judged)), meta.judged
    ).write_parquet(out / "predictions.parquet")
    curves = module.curves(model)
    _write(out / "curves.json", {"curves": curves, "x": getattr(module, "CURVE_X", None)})
    shares = module.importances(model)
    named = {} if shares is None else dict(zip(meta.feature_names, map(float, shares), strict=True))
    _write(out / "importances.json", named)
    facts = {
        "model": name,
        "params": typed.model_dump(mode="json"),
        "seed": seed,
        "threads": threads,
        "device": device,
        "device_note": note,
        "n_train": len(data.X),
        "n_stop": len(data.X_stop),
        "n_features": data.X.shape[1],
        "judged": meta.judged,
    }
    if hasattr(module, "facts"):
        facts |= module.facts(model)
    _write(out / "fit.json", facts)


def predictions(prepared: Prepared, predicted: np.ndarray, part: str) -> pl.DataFrame:
    """Return row number, y and prediction (or `p_<output>`) of a part's rows.

    Outputs: the classes, or the quantiles of each step of the horizon.
    """
    columns: dict[str, Any] = {ROW: prepared.row_numbers(part), "y": prepared.y(part)}
    columns["y"] = columns["y"] if columns["y"].ndim == 1 else pl.Series(columns["y"])
    predicted = predicted if predicted.ndim == 1 else predicted.reshape(len(predicted), -1)
    if predicted.ndim == 1:
        columns["prediction"] = predicted.astype(np.float32)
    else:
        columns |= {f"p_{i}": predicted[:, i].astype(np.float32) for i in range(predicted.shape[1])}
    return pl.DataFrame(columns)


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False))
