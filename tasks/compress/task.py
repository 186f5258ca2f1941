"""The tasks of `compress`: a model's whole graph, and what each recipe makes of it."""

from prefect import task

from tasks.compress import sketches, variants
from tasks.compress.params import FP32
from tasks.core import child, store
from tasks.core.artifacts import Artifact
from tasks.core.cache import cached
from tasks.core.errors import TimeLimitExceeded
from tasks.core.plugins import Plugin


@task(name="export", task_run_name="export {model.name}", **cached("onnx", "onnxruntime"))
def export(
    fitted: Artifact,
    model: Plugin,
    prepared: Artifact,
    metrics: list[Plugin],
    tolerance: float,
    time_limit_s: float,
) -> Artifact:
    """Return `compress/<model>/fp32`: the whole graph of a fitted model, verified against it."""
    with store.writing() as out:
        child.run(
            variants.write_fp32,
            *(out, fitted.path, model, prepared.path, metrics, tolerance),
            time_limit_s=time_limit_s,
            label=f"export {model.name}",
        )
        return store.put(f"compress/{model.name}/{FP32}", out)


@task(name="sketch", task_run_name="sketch {model.name}", **cached("onnx", "onnxruntime"))
def sketch(
    parent: Artifact,
    fitted: Artifact,
    model: Plugin,
    recipes: dict[str, list[Plugin]],
    prepared: Artifact,
    metrics: list[Plugin],
    tolerance: float,
    calibration_rows: int,
    time_limit_s: float,
    seed: int,
) -> Artifact:
    """Return `search/<model>`: what each recipe's variant would weigh, cost and lose, if known."""
    with store.writing() as out:
        child.run(
            sketches.write,
            *(out, parent.path, fitted.path, model, recipes, prepared.path),
            *(metrics, tolerance, calibration_rows, seed),
            seed=seed,
            time_limit_s=time_limit_s * len(recipes),
            label=f"sketch {model.name}",
        )
        return store.put(f"search/{model.name}", out)


@task(
    name="compress",
    task_run_name="compress {model.name} {recipe_label}",
    **cached("onnx", "onnxruntime"),
)
def compress(
    parent: Artifact,
    fitted: Artifact,
    model: Plugin,
    recipe_label: str,
    recipe: list[Plugin],
    prepared: Artifact,
    metrics: list[Plugin],
    tolerance: float,
    calibration_rows: int,
    time_limit_s: float,
    seed: int,
    settled: tuple[str, str] | None = None,
) -> Artifact:
    """Return `compress/<model>/<label>`: what a recipe makes of the fp32 graph, or why not.

    settled: status and reason of a variant that need not be made.
    """
    with store.writing() as out:
        if settled:
            variants.write_unmade(out, model, recipe_label, recipe, *settled)
            return store.put(f"compress/{model.name}/{recipe_label}", out)
        try:
            child.run(
                variants.write_compressed,
                *(out, parent.path, fitted.path, model, recipe_label, recipe, prepared.path),
                *(metrics, tolerance, calibration_rows, seed),
                seed=seed,
                time_limit_s=time_limit_s,
                label=f"compress {model.name} {recipe_label}",
            )
        except TimeLimitExceeded as error:
            variants.write_unmade(out, model, recipe_label, recipe, "failed", str(error))
        return store.put(f"compress/{model.name}/{recipe_label}", out)
