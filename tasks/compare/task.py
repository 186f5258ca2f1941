"""The step `compare`: one mapped task a model for its resamples, then the leaderboard."""

from pathlib import Path

from prefect import task

from tasks.compare.judging import write_json, write_leaderboard
from tasks.compare.params import Params, Resampling
from tasks.compare.resampling import resample_scores
from tasks.core import child, devices, pieces, slots, store
from tasks.core.artifacts import Artifact
from tasks.core.cache import cached
from tasks.core.plugins import Plugin


@task(
    name="resample",
    task_run_name="resample {model.name}",
    **cached("numpy", "polars"),
)
def resample(
    model: Plugin,
    prepared: Artifact,
    params: Resampling,
    plugins: list[Plugin],
    seed: int,
    device: str,
    demanded: bool = False,
) -> Artifact:
    """Return `compare/<model>/resamples`; `plugins`: all that it may use.

    `demanded`: params ask for a GPU by name.
    """
    count = params.count(model)
    device, _ = devices.placed(model.name, device, demanded)
    needed = devices.need_mib(prepared.file("X_train.npy"), prepared.file("y_train.npy"))

    def work(split: int) -> child.Outcome:
        return child.run(
            resample_scores,
            *(prepared.path, model, count, params.resamples, seed, params.threads, device, split),
            threads=params.threads,
            seed=seed,
            time_limit_s=params.time_limit_s,
            label=f"resample {model.name}",
        )

    with slots.working(device, needed):
        outcome, _ = pieces.fewest(work, pieces.most(model))
    with store.writing() as out:
        write_json(out / "scores.json", outcome.value)
        return store.put(f"compare/{model.name}/resamples", out)


@task(
    name="compare",
    task_run_name="compare",
    **cached("numpy", "polars", "scipy"),
)
def compare(
    fitted: list[Artifact],
    resamples: list[Artifact],
    prepared: Artifact,
    params: Params,
    metrics: list[Plugin],
    seed: int,
) -> Artifact:
    """Return `compare/leaderboard` of the models `train/<name>` and their resamples.

    Raises:
        ParamsError: the primary metric is none of the task's.
    """
    with store.writing() as out:
        child.run(
            write_leaderboard,
            *(_by_model(fitted), _by_model(resamples), prepared.path, params, seed, out),
            threads=params.threads,
            time_limit_s=params.time_limit_s,
            label="compare",
        )
        return store.put("compare/leaderboard", out)


def _by_model(artifacts: list[Artifact]) -> dict[str, Path]:
    """Return model -> folder of artifacts called `<step>/<model>…`."""
    return {artifact.name.split("/")[1]: artifact.path for artifact in artifacts}
