"""compress: every model to one ONNX graph, then every recipe of the sweep."""

from prefect import unmapped

from flows.workload import Workload
from tasks.compress.task import compress as compress_model
from tasks.compress.task import export
from tasks.core.artifacts import Made, named


def compress(name: str, workload: Workload, device: str, made: Made) -> Made:
    """Return every variant: `compress/<model>/fp32` and one a recipe."""
    models = workload.models
    prepared = made["features/prepared"]
    fitted = [made[f"train/{model.name}"] for model in models]
    params, metrics = workload.compress, workload.metrics
    parents = export.map(
        fitted,
        models,
        unmapped(prepared),
        unmapped(metrics),
        unmapped(params.tolerance),
        unmapped(params.time_limit_s),
    ).result()
    sweep = [
        (parent, fit, model, label)
        for parent, fit, model in zip(parents, fitted, models, strict=True)
        for label in params.recipes
    ]
    variants = compress_model.map(
        [parent for parent, _, _, _ in sweep],
        [fit for _, fit, _, _ in sweep],
        [model for _, _, model, _ in sweep],
        [label for _, _, _, label in sweep],
        [params.plugins(label) for _, _, _, label in sweep],
        unmapped(prepared),
        unmapped(metrics),
        unmapped(params.tolerance),
        unmapped(params.calibration_rows),
        unmapped(params.time_limit_s),
        unmapped(workload.seed),
    ).result()
    return named(*parents, *variants)
