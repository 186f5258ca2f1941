"""Makes one variant of one model: a folder with its file and `variant.json`."""

from pathlib import Path
from typing import Any

from tasks.compress import applying, beginnings, certificate, explained, export, writing
from tasks.compress.params import FP32
from tasks.compress.protocol import NotApplicable, Parent, dialect_of
from tasks.compress.writing import GRAPH
from tasks.core.errors import ParamsError, transient
from tasks.core.fitting import FitContext
from tasks.core.plugins import Plugin
from tasks.core.prepared import Prepared

UNKNOWN = (
    *("reason", "parity", "metrics", "agreement", "quantised_share", "quantised_weights", "facts"),
    *("bytes", "weight_bytes", "zstd_bytes", "opset", "domains", "engines_note"),
    *("drops", "bounds", "worst_slice", "nonzero_share", "calibration", "seed", "file"),
)


def write_fp32(
    out: Path,
    fitted: Path,
    model: Plugin,
    prepared: Path,
    metrics: list[Plugin],
    tolerance: float,
) -> None:
    """Write the whole fp32 graph of a fitted model, verified against it on every judged row.

    Raises:
        ParityError: the graph does not predict what the model predicts.
    """
    data = Prepared(prepared)
    made, found = applying.exported(model.module.load(fitted), model, data, tolerance)
    writing.graph(
        out,
        made,
        data,
        metrics,
        {
            **_head(model.name, FP32, []),
            "precision": FP32,
            "parity": certificate.stated(found, "the fitted model", tolerance),
        },
    )


def write_compressed(
    out: Path,
    parent: Path,
    fitted: Path,
    model: Plugin,
    recipe_label: str,
    recipe: list[Plugin],
    prepared: Path,
    metrics: list[Plugin],
    tolerance: float,
    calibration_rows: int,
    seed: int,
    begun: Path | None = None,
) -> None:
    """Write what a recipe makes of a model's fp32 graph; also where it does not fit, or fails: why.

    `begun`: what its first techniques made of the model (`beginnings.write`).

    Raises:
        TransientError: out of memory or an I/O error, so that it can be tried again.
    """
    import onnx

    if begun and (unmade := beginnings.unmade(begun, recipe)):
        write_unmade(out, model, recipe_label, recipe, *unmade)
        return
    data = Prepared(prepared)
    before = onnx.load(parent / GRAPH)
    context = applying.context_of(data, metrics, calibration_rows, FitContext(seed))
    done = beginnings.stated(begun)["earlier"] if begun else []
    so_far = applying.after(recipe[: len(done)], model)
    start = beginnings.resumed(begun, parent, fitted, so_far, context)
    head = _head(model.name, recipe_label, recipe)
    try:
        try:
            made = applying.applied(recipe[len(done) :], start, context, data, tolerance)
        except NotApplicable as why:
            write_unmade(out, model, recipe_label, recipe, "not_applicable", why.within(recipe))
            return
        head |= {"facts": context.facts, "calibration": context.calibrated, "seed": seed}
        if made.converted:
            writing.converted(out, made.converted, data, metrics, head, before)
        else:
            graph = export.finish(made.graph, data.meta)
            writing.graph(out, graph, data, metrics, head, before)
    except Exception as error:  # whatever a technique's library raises; the sweep goes on
        if transient(error):
            raise
        (out / GRAPH).unlink(missing_ok=True)
        certificate.write(out, {**head, "status": "failed", "reason": writing.words_of(error)})


def write_unmade(
    out: Path, model: Plugin, recipe_label: str, recipe: list[Plugin], status: str, why: str
) -> None:
    """Write the certificate of a variant that could not be made, or was not."""
    content = {**_head(model.name, recipe_label, recipe), "status": status, "reason": why}
    certificate.write(out, content)


def explain(
    variant: Path,
    parent: Path,
    fitted: Path,
    model: Plugin,
    recipe: list[Plugin],
    prepared: Path,
    metrics: list[Plugin],
    tolerance: float,
    calibration_rows: int,
    fit: FitContext,
) -> list[explained.Told]:
    """Return what each technique of a variant's recipe moved, by layers where it can be told.

    Raises:
        ParamsError: it can be told of none of them.
    """
    import onnx

    data = Prepared(prepared)
    context = applying.context_of(data, metrics, calibration_rows, fit)
    start = Parent(onnx.load(parent / GRAPH), model, lambda: model.module.load(fitted))
    made = onnx.load(variant / GRAPH) if (variant / GRAPH).exists() else None
    found = explained.told(recipe, start, made, context, data, tolerance)
    if not any(one.layers or one.milder for one in found):
        why = "; ".join(f"{one.technique}: {one.why}" for one in found)
        name = f"{model.name}/{'+'.join(step.name for step in recipe) or FP32}"
        raise ParamsError(f"{name} is not explained by layer: {why or 'nothing was changed'}")
    return found


def _head(model: str, recipe_label: str, recipe: list[Plugin]) -> dict[str, Any]:
    """Return the part of `variant.json` that is known beforehand; the rest is null."""
    precision, note = FP32, None
    for step in recipe:
        if hasattr(step.module, "note"):
            note = step.module.note(step.typed) or note
        precision = _precision(step) or precision
    unknown = dict.fromkeys(UNKNOWN)
    return {
        **unknown,
        "model": model,
        "label": recipe_label,
        "recipe": [step.name for step in recipe],
        "recipe_params": [step.typed.model_dump(mode="json") for step in recipe],
        "precision": precision,
        "dialect": dialect_of(recipe),
        "engines_note": note,
    }


def _precision(step: Plugin) -> str:
    own = getattr(step.module, "precision", None)
    return own(step.typed) if own else step.module.PRECISION
