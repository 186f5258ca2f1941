"""The step `train`: one mapped task a model."""

import json
from typing import Any

from prefect import task

from tasks.core import checkpoints, child, devices, logs, pieces, slots, store
from tasks.core.artifacts import Artifact
from tasks.core.cache import cached
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
        logs.warn(note)
    needed = devices.need_mib(prepared.file("X_train.npy"), prepared.file("y_train.npy"))
    same = (model, prepared, seed, threads, devices.device_class(device))

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

    with (
        checkpoints.kept(fit_model.__module__, *same) as checkpoint,
        slots.working(device, needed),
        store.writing() as out,
        sampling(device) as samples,
    ):
        outcome, count = pieces.fewest(work, pieces.most(model), logs.warn)
        fitted = store.put(f"train/{model.name}", out)
    return fitted, _how(model, outcome, samples, count)


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
