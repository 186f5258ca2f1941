"""benchmark: every variant x every engine, interleaved -> recommend."""

from flows import calibrations
from flows.workload import Step, Workload, ends
from tasks.benchmark import machine
from tasks.benchmark.task import measure
from tasks.core.artifacts import Made, named, under
from tasks.recommend.task import recommend


def benchmark(
    name: str,
    workload: Workload,
    device: str,
    made: Made,
    until: Step = "report",
    again: bool = False,
) -> Made:
    """Return the measurements and the recommendation; `again` measures although it was measured."""
    variants = under(made, "compress")
    measurements = measure.with_options(refresh_cache=again)(
        variants,
        [made[f"train/{model.name}"] for model in workload.models],
        workload.models,
        workload.benchmark.plugins(),
        workload.metrics,
        made["features/prepared"],
        workload.benchmark,
        workload.seed,
        device,
        machine.identity(),
    )
    if ends(until, "benchmark"):
        return named(measurements)
    params, measured = workload.recommend, calibrations.of(name)
    choice = recommend(
        measurements,
        made["compare/leaderboard"],
        variants,
        params,
        params.plugins([of.device for of in measured]),
        measured,
    )
    return named(measurements, choice)
