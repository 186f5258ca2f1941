"""The tasks of `compress`: a model's whole graph, and what each recipe makes of it."""

from collections.abc import Sequence

from prefect import task

from tasks.compress import applying, beginnings, sketches, variants
from tasks.compress.params import FP32
from tasks.core import checkpoints, child, devices, logs, pieces, slots, store
from tasks.core.artifacts import Artifact
from tasks.core.cache import cached
from tasks.core.errors import TimeLimitExceeded
from tasks.core.fitting import FitContext
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
    with slots.working("cpu"), store.writing() as out:
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
    with slots.working("cpu"), store.writing() as out:
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
    name="shrink",
    task_run_name="shrink {model.name} {label} {step.name}",
    **cached("onnx", "onnxruntime"),
)
def shrink(
    parent: Artifact,
    fitted: Artifact,
    begun: Artifact | None,
    model: Plugin,
    label: str,
    step: Plugin,
    prepared: Artifact,
    metrics: list[Plugin],
    tolerance: float,
    threads: int,
    time_limit_s: float,
    seed: int,
    device: str,
    earlier: Sequence[Plugin] = (),
) -> Artifact:
    """Return `shrunk/<model>/<technique>`: what a technique that fits further makes of a model, or
    of what is `begun`, by the techniques `earlier`. Recipes that begin alike share it; `label` is
    the first of them.
    """
    if begun and beginnings.stated(begun.path)["status"] != "ok":
        return begun
    student = applying.after([*earlier, step], model)
    device, note = devices.placed(student.name, device)
    if note:
        logs.warn(note)
    needed = devices.need_mib(prepared.file("X_train.npy"), prepared.file("y_train.npy"))
    begins = begun.path if begun else None
    same = (fitted, begun, model, step, prepared, seed, threads, devices.device_class(device))

    def work(count: int) -> None:
        fit = FitContext(seed, threads, device, checkpoint, count)
        child.run(
            beginnings.write,
            *(out, parent.path, fitted.path, begins, applying.after(earlier, model), step),
            prepared.path,
            *(metrics, tolerance, fit),
            threads=threads,
            seed=seed,
            time_limit_s=time_limit_s,
            label=f"shrink {model.name} {step.name}",
        )

    with store.writing() as out:
        try:
            with (
                checkpoints.kept(beginnings.__name__, *same) as checkpoint,
                slots.working(device, needed),
            ):
                pieces.fewest(work, pieces.most(student), logs.warn)
        except TimeLimitExceeded as error:
            beginnings.write_unmade(out, step, "failed", str(error))
        return store.put(f"shrunk/{model.name}/{step.name}", out)


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
    begun: Artifact | None = None,
) -> Artifact:
    """Return `compress/<model>/<label>`: what a recipe makes of the fp32 graph, or why not.

    begun: what the recipe's first techniques left.
    """
    with slots.working("cpu"), store.writing() as out:
        try:
            child.run(
                variants.write_compressed,
                *(out, parent.path, fitted.path, model, recipe_label, recipe, prepared.path),
                *(metrics, tolerance, calibration_rows, seed, begun.path if begun else None),
                seed=seed,
                time_limit_s=time_limit_s,
                label=f"compress {model.name} {recipe_label}",
            )
        except TimeLimitExceeded as error:
            variants.write_unmade(out, model, recipe_label, recipe, "failed", str(error))
        return store.put(f"compress/{model.name}/{recipe_label}", out)


@task(name="settle", task_run_name="settle {model.name}", **cached())
def settle(
    model: Plugin, recipes: dict[str, list[Plugin]], why: dict[str, tuple[str, str]]
) -> list[Artifact]:
    """Return `compress/<model>/<label>` of recipes that need not be run: status and reason each."""
    made = []
    for recipe_label, (status, reason) in why.items():
        with store.writing() as out:
            recipe = recipes[recipe_label]
            variants.write_unmade(out, model, recipe_label, recipe, status, reason)
            made.append(store.put(f"compress/{model.name}/{recipe_label}", out))
    return made
