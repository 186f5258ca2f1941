"""Fits a model on resamples of the training part and scores it; runs in a child process."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tasks.core import preparation, progress, scoring
from tasks.core.errors import DataError
from tasks.core.fitting import FitContext, divided
from tasks.core.plugins import Plugin
from tasks.core.prepared import Prepared
from tasks.core.schema import Columns, Table, load_columns
from tasks.core.stopping import stop_mask


def resample_scores(
    folder: Path,
    model: Plugin,
    count: int,
    total: int,
    seed: int,
    threads: int,
    device: str,
    pieces: int = 1,
) -> dict[str, Any]:
    """Return the content of `scores.json`: every metric on each of the first `count` resamples.

    Preparation, early stopping and fit see the training rows of the resample only. The resamples
    are `total` of the part `train`, the same for all models. One whose training rows hold a single
    class is left out, for every model alike.

    Raises:
        DataError: fewer than two resamples can be had.
    """
    prepared = Prepared(Path(folder))
    meta, frame, y = prepared.meta, prepared.table("train"), prepared.y("train")
    columns = load_columns(prepared.folder)
    choices = json.loads((prepared.folder / "choices.json").read_text())
    recipes = [Plugin(**recipe) for recipe in choices["recipes"]]
    spec = Table(task=meta.task, target=meta.target, columns=columns, extra_columns="ignore")
    split = Plugin(kind="split", name=meta.split["name"], params=meta.split["params"])
    pairs = split.module.resamples(frame, spec, split.typed, total, seed)
    candidates: Columns = {i.name: columns[i.name] for i in meta.inputs}

    scores: dict[str, list[float | None]] = {name: [] for name in scoring.metrics(meta.task)}
    used, sizes, skipped = [], [], []
    tried = min(count, len(pairs))
    for index, (train, test) in enumerate(pairs[:tried]):
        progress.report(index / tried, f"{index + 1} of {tried}")
        if meta.task == "classification" and len(np.unique(y[train])) < 2:
            skipped.append({"resample": index, "reason": "its training rows hold a single class"})
            continue
        rows = frame[train]
        stop = stop_mask(split, rows, spec, choices["stop_share"], seed + index)
        try:
            state = preparation.fit(rows, candidates, recipes)
        except DataError as error:
            skipped.append({"resample": index, "reason": str(error)})
            continue
        X = preparation.transform(rows, state)
        data = divided(X, y[train], stop, meta, preparation.feature_names(state))
        context = FitContext(seed + index, threads, device, pieces=pieces)
        with progress.within(index / tried, (index + 1) / tried, f"{index + 1} of {tried}"):
            fitted = model.module.fit(data, model.typed, context)
        predicted = model.module.predict(fitted, preparation.transform(frame[test], state))
        found = scoring.scores(meta.task, y[test], predicted, sequence=meta.sequence)
        for name, value in found.items():
            scores[name].append(value)
        used.append(index)
        sizes.append((len(train), len(test)))
    if len(used) < 2:
        reasons = "; ".join(s["reason"] for s in skipped)
        raise DataError(
            f"{model.name}: only {len(used)} of {len(pairs)} resamples of the training part can be "
            f"used ({len(frame)} rows, split {split.name}). {reasons} Get more rows, or choose "
            "another split (features.split.name)."
        )
    return {
        "scores": scores,
        "resamples": used,
        "skipped": skipped,
        "n_train": float(np.mean([size[0] for size in sizes])),
        "n_test": float(np.mean([size[1] for size in sizes])),
        "repeats": len(used),
        "split": split.name,
    } | ({"pieces": pieces} if pieces > 1 else {})
