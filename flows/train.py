"""train: fit every model -> resample every model -> compare."""

from prefect import unmapped

from flows.workload import Step, Workload, ends
from tasks.compare.task import compare, resample
from tasks.core.artifacts import Made, named
from tasks.train.task import fit


def train(name: str, workload: Workload, device: str, made: Made, until: Step = "report") -> Made:
    """Return the fitted models, how their fits went, their resamples and the leaderboard."""
    models = workload.models
    prepared = made["features/prepared"]
    demanded = workload.device == "cuda"
    fits = fit.map(
        models,
        unmapped(prepared),
        unmapped(workload.train.threads),
        unmapped(workload.train.time_limit_s),
        unmapped(workload.seed),
        unmapped(device),
        unmapped(demanded),
    )
    if ends(until, "train"):
        return named(*(artifact for pair in fits.result() for artifact in pair))
    scores = resample.map(
        models,
        unmapped(prepared),
        unmapped(workload.compare.resampling),
        unmapped([*workload.features.plugins(), *workload.metrics]),
        unmapped(workload.seed),
        unmapped(device),
        unmapped(demanded),
    )
    fitted, telemetry = zip(*fits.result(), strict=True)
    resamples = scores.result()
    leaderboard = compare(
        list(fitted), resamples, prepared, workload.compare, workload.metrics, workload.seed
    )
    return named(*fitted, *telemetry, *resamples, leaderboard)
