"""The next step and the next 24 hours of a house's appliances: ours beside baselines and rivals.

    .venv/bin/python -m benchmarks.appliances FILE.parquet --work FOLDER [--rivals PYTHON]
        [--horizons 1 144] [--models light_gbm lstm …]

FILE: UCI's Appliances energy prediction (`date`, `Appliances`, …), every 10 minutes; its last fifth
is judged: no setting was chosen on it, but which of ours is called the best is. PYTHON: an
interpreter with neuralforecast and polars, for NHITS, LSTM and TCN on the same rows. FOLDER keeps
what was fitted: started again, the command goes on.
The interval of a difference: paired, of origins drawn in blocks of a day and the horizon.
"""

import argparse
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.harness import table, write
from tasks.compress import export, graphs
from tasks.core import draws
from tasks.core.fitting import FitContext, training_data
from tasks.core.params import read, section
from tasks.core.plugins import Plugin
from tasks.core.prepared import Prepared
from tasks.core.schema import ROW, Column, Table
from tasks.features.params import Params
from tasks.features.prepare import prepare

ROOT = Path(__file__).parents[2]
TARGET, TIME, DAY = "Appliances", "date", 144
NAIVE = ("persistence", "seasonal_naive", "climatology")  # they stand among the rivals
WORKLOADS = {1: "appliances_next", DAY: "appliances"}
STRIDES = {1: 1, DAY: 2}  # steps between judged origins, as the workloads have them
SEED, DRAWS, CALLS = 0, 2000, 1500
LAGS = (*range(12), 17, 23, 35, 71, 143)


def main() -> None:
    """Fit, forecast, compare; print the tables, write benchmarks/results/appliances.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.appliances")
    parser.add_argument("file", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rivals", help="an interpreter that has neuralforecast")
    parser.add_argument("--horizons", type=int, nargs="*", default=[1, DAY])
    parser.add_argument("--models", nargs="*")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    found = {str(horizon): _horizon(given, horizon) for horizon in given.horizons}
    write("appliances", {"horizons": found, "threads": given.threads})


def _horizon(given: argparse.Namespace, horizon: int) -> dict[str, Any]:
    """Return errors, intervals of the differences and latencies of one horizon."""
    work = given.work / str(horizon)
    frame = pl.read_parquet(given.file).sort(TIME)
    data = _prepared(work, frame, horizon)
    judged = data.table("test")
    origins = (judged[ROW] - 1).to_numpy()
    y, target = data.y("test"), frame[TARGET].cast(pl.Float64).to_numpy()
    train = int(data.table("train")[ROW].max()) + horizon  # type: ignore[arg-type]
    medians = _baselines(frame, target, origins, horizon, train)
    medians["LightGBM L1 on lags"] = _lags(frame, target, origins, horizon, train, given.threads)
    rivals = list(medians)
    if given.rivals:
        theirs = _rivals(given, horizon, work, origins)
        place = {int(o): at for at, o in enumerate(theirs["origins"])}
        at = np.array([place.get(int(o), -1) for o in origins])
        for name in (n for n in theirs if theirs[n].ndim == 2):
            values = np.full((len(origins), horizon), np.nan)
            values[at >= 0] = theirs[name][at[at >= 0]]
            medians[f"neuralforecast {name}"] = values
            rivals.append(f"neuralforecast {name}")
    facts: dict[str, Any] = {}
    for model in _models(horizon, given.models):
        predicted, facts[model.name] = _ours(work, model, data, given.threads)
        medians[model.name] = predicted[:, :, data.meta.sequence.median]  # type: ignore[union-attr]
    return _stated(medians, rivals, facts, y, horizon, data)


def _prepared(work: Path, frame: pl.DataFrame, horizon: int) -> Prepared:
    folder = work / "prepared"
    if not (folder / "meta.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        own = section(read(ROOT), WORKLOADS[horizon])
        named = {n: Column(**c) for n, c in own["table"]["columns"].items()}
        spec = Table(task="forecast", target=TARGET, columns=named, extra_columns="ignore")
        numbered = frame.select(list(named)).with_row_index(ROW, offset=1)
        numbered = numbered.with_columns(pl.col(ROW).cast(pl.UInt32))
        prepare(numbered, spec, Params(**own["features"]), SEED, folder)
    return Prepared(folder)


def _models(horizon: int, names: list[str] | None) -> list[Plugin]:
    models = section(read(ROOT), WORKLOADS[horizon])["train"]["models"]
    chosen = names or [n for n in models if n not in NAIVE]
    return [Plugin(kind="model", name=n, params=models.get(n) or {}) for n in chosen]


def _baselines(
    frame: pl.DataFrame, target: np.ndarray, origins: np.ndarray, horizon: int, train: int
) -> dict[str, np.ndarray]:
    """Return same as last, a day before, and the median of the time of day in the training rows."""
    ahead = np.arange(1, horizon + 1)
    slots = frame[TIME].dt.hour().cast(pl.Int32) * 6 + frame[TIME].dt.minute() // 10
    medians = (
        pl.DataFrame({"slot": slots[:train], "y": target[:train]})
        .group_by("slot")
        .agg(pl.col("y").median())
        .sort("slot")["y"]
        .to_numpy()
    )
    steps = origins[:, None] + ahead
    return {
        "same as last": np.repeat(target[origins][:, None], horizon, axis=1),
        "seasonal naive": target[steps - DAY * np.ceil(ahead / DAY).astype(int)],
        "median of the time of day": medians[slots.to_numpy()[steps]],
    }


def _lags(
    frame: pl.DataFrame,
    target: np.ndarray,
    origins: np.ndarray,
    horizon: int,
    train: int,
    threads: int,
) -> np.ndarray:
    """Return LightGBM's L1 forecasts from lags, time and weekday; the step is a feature."""
    import lightgbm

    random = np.random.default_rng(SEED)
    hour = (frame[TIME].dt.hour() + frame[TIME].dt.minute() / 60).to_numpy()
    weekday = frame[TIME].dt.weekday().to_numpy()

    def rows(at: np.ndarray, steps: np.ndarray) -> np.ndarray:
        lags = target[np.repeat(at, steps.shape[1])[:, None] - np.array(LAGS)]
        then = (at[:, None] + steps).ravel()
        before = target[then - DAY * np.ceil(steps.ravel() / DAY).astype(int)]
        return np.column_stack([lags, steps.ravel(), hour[then], weekday[then], before])

    every = np.arange(DAY, train - horizon)
    fitted, kept = every[: -train // 10], every[-train // 10 :]
    count = min(horizon, 8)

    def drawn(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        steps = random.integers(1, horizon + 1, (len(at), count))
        return rows(at, steps), target[(at[:, None] + steps).ravel()]

    settings = {"objective": "l1", "learning_rate": 0.05, "num_leaves": 31, "verbosity": -1}
    settings |= {"seed": SEED, "num_threads": threads, "deterministic": True}
    first = lightgbm.Dataset(*drawn(fitted), free_raw_data=False)
    stop = lightgbm.Dataset(*drawn(kept), reference=first)
    booster = lightgbm.train(
        settings, first, 1000, [stop], callbacks=[lightgbm.early_stopping(50, verbose=False)]
    )
    found = np.zeros((len(origins), horizon))
    for start in range(0, len(origins), 200):
        part = origins[start : start + 200]
        steps = np.tile(np.arange(1, horizon + 1), (len(part), 1))
        found[start : start + 200] = np.asarray(booster.predict(rows(part, steps))).reshape(
            steps.shape
        )
    return found


def _rivals(
    given: argparse.Namespace, horizon: int, work: Path, origins: np.ndarray
) -> dict[str, Any]:
    """Return the medians of neuralforecast's models, by name, and their origins."""
    out = work / "rivals.npz"
    if not out.exists():
        command = [given.rivals, str(Path(__file__).parent / "rivals.py"), str(given.file)]
        rows = int(origins[0]) + 1, int(origins[-1]) + horizon + 1  # fitted on, and in all
        command += [str(v) for v in (horizon, STRIDES[horizon], *rows, out)]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(given.threads))
        subprocess.run(command, check=True, env=os.environ | threads)
    with np.load(out) as found:
        return dict(found)


def _ours(
    work: Path, model: Plugin, data: Prepared, threads: int
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the judged quantiles of a model's ONNX graph, and its parity and latency."""
    import onnx

    folder, began = work / model.name, time.monotonic()
    if not (folder / "graph.onnx").exists():
        folder.mkdir(parents=True, exist_ok=True)
        context = FitContext(SEED, threads, "cpu", folder / "checkpoint")
        fitted = model.module.fit(training_data(data), model.typed, context)
        prepared = onnx.load(data.folder / "prepare.onnx")
        made = export.whole(prepared, model.module.to_onnx(fitted), data.meta)
        got = graphs.run(graphs.session(made), data.feed("test"))
        apart = export.verify(got, model.module.predict(fitted, data.X("test")), 1e-4, model.name)
        facts = {"fit_s": round(time.monotonic() - began, 1), "parity": apart.max_rel}
        (folder / "facts.json").write_text(json.dumps(facts))
        (folder / "graph.onnx").write_bytes(graphs.serialise(made))
    session = graphs.session((folder / "graph.onnx").read_bytes())
    one = data.feed("test", slice(0, 1))
    took = []
    for _ in range(CALLS):
        start = time.perf_counter()
        session.run(None, one)
        took.append(time.perf_counter() - start)
    facts = json.loads((folder / "facts.json").read_text())
    facts |= {f"p{q}_ms": round(float(np.quantile(took, q / 100) * 1e3), 3) for q in (50, 99)}
    return graphs.run(session, data.feed("test")), facts


def _stated(
    medians: dict[str, np.ndarray],
    rivals: list[str],
    facts: dict[str, Any],
    y: np.ndarray,
    horizon: int,
    data: Prepared,
) -> dict[str, Any]:
    """Print and return each error, and the difference of the best of ours from each rival."""
    rows = ~np.any([np.isnan(m).any(axis=1) for m in medians.values()], axis=0)
    errors = {name: np.abs(m[rows] - y[rows]).mean(axis=1) for name, m in medians.items()}
    means = {name: float(e.mean()) for name, e in errors.items()}
    best = min(facts, key=lambda name: means[name])
    block = round((horizon + DAY) / STRIDES[horizon])
    apart = {}
    for rival in rivals:
        gap = errors[best] - errors[rival]
        drawn = np.concatenate(
            [w @ gap / len(gap) for w in draws.weights(len(gap), DRAWS, SEED, block)]
        )
        low, high = np.quantile(drawn, [0.025, 0.975])
        apart[rival] = [round(float(v), 3) for v in (gap.mean(), low, high)]
    lines: list[tuple[str, Any, str]] = [
        (f"horizon {horizon}: judged origins", int(rows.sum()), "")
    ]
    for name, mean in sorted(means.items(), key=lambda item: item[1]):
        lines.append((f"  {name}: MAE, Wh", round(mean, 2), ""))
    for rival, (value, low, high) in apart.items():
        lines.append((f"  {best} less {rival}", f"{value:+.2f} [{low:+.2f}, {high:+.2f}]", "< 0"))
    for name, own in facts.items():
        lines.append((f"  {name}: p99 at batch 1, ms", own["p99_ms"], "5"))
    table(lines)
    return {
        "origins": int(rows.sum()),
        "block": block,
        "mae": {name: round(mean, 3) for name, mean in means.items()},
        "best": best,
        "best less rival, 95 %": apart,
        "ours": facts,
        "split": data.meta.split["note"],
    }


if __name__ == "__main__":
    main()
