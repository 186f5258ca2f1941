"""The step `train`: one mapped task a model."""

import hashlib
import json
import shutil
from contextlib import suppress
from typing import Any

from prefect import task
from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from tasks.core import child, closure, devices, pieces, slots, store
from tasks.core.artifacts import Artifact
from tasks.core.cache import cached, content
from tasks.core.home import subfolder
from tasks.core.plugins import Plugin
from tasks.core.telemetry import sampling
from tasks.train.fitting import fit_model


@task(name="fit", task_run_name="{model.name}", **cached("numpy", "polars"))
def fit(
    model: Plugin,
    prepared: Artifact,
    threads: int,
    time_limit_s: float,
    seed: int,
    device: str,
    demanded: bool = False,
) -> tuple[Artifact, Artifact]:
    """Return the fitted model `train/<name>` and how its fit went, `telemetry/<name>`.

    `demanded`: params ask for a GPU by name, so that a model which cannot use it for want of a
    library is an error.
    """
    device, note = devices.placed(model.name, device, demanded)
    if note:
        _log(note)
    needed = devices.need_mib(prepared.file("X_train.npy"), prepared.file("y_train.npy"))
    checkpoint = subfolder("checkpoints") / _key(model, prepared.digest, seed, threads, device)

    def work(count: int) -> child.Outcome:
        return child.run(
            fit_model,
            *(model.name, model.params, prepared.path, out, seed, threads, device, checkpoint),
            *(note, count),
            threads=threads,
            seed=seed,
            time_limit_s=time_limit_s,
            label=model.name,
        )

    with slots.working(device, needed), store.writing() as out, sampling(device) as samples:
        outcome, count = pieces.fewest(work, pieces.most(model), _log)
        fitted = store.put(f"train/{model.name}", out)
    measured = _how(model, outcome, samples, count)
    shutil.rmtree(checkpoint, ignore_errors=True)  # only a fit that did not end needs it
    return fitted, measured


def _how(model: Plugin, outcome: child.Outcome, samples: Any, count: int) -> Artifact:
    """Return `telemetry/<name>`: how a fit went."""
    telemetry = {
        "wall_s": round(outcome.wall_s, 3),
        "peak_memory_mib": round(outcome.peak_memory_mib, 1),
        "gpu": samples,
        "pieces": count,
    }
    with store.writing() as out:
        (out / "telemetry.json").write_text(json.dumps(telemetry, indent=1, sort_keys=True))
        return store.put(f"telemetry/{model.name}", out)


def _log(text: str) -> None:
    with suppress(MissingContextError):  # called as a plain function
        get_run_logger().warning("%s", text)


def _key(model: Plugin, *others: Any) -> str:
    """Return the name of a fit's checkpoint folder: only the same code on the same data goes on."""
    code = closure.total(closure.code_of(fit_model.__module__))
    return hashlib.sha256(json.dumps([content(model), code, *others]).encode()).hexdigest()
