"""Makes one variant of one model: a folder with its file and `variant.json`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.compress import certificate, drops, export, graphs, layers, writing
from tasks.compress.params import FP32
from tasks.compress.protocol import Context, Converted, NotApplicable, Parent
from tasks.compress.writing import GRAPH
from tasks.core import scoring
from tasks.core.errors import ParamsError, TransientError
from tasks.core.fitting import FitContext, training_data
from tasks.core.plugins import Plugin, unavailable
from tasks.core.prepared import Prepared

if TYPE_CHECKING:
    import onnx

SHOWN = 300  # characters of an error
UNKNOWN = (
    *("reason", "parity", "metrics", "agreement", "quantised_share", "quantised_weights", "facts"),
    *("bytes", "weight_bytes", "zstd_bytes", "opset", "domains", "engines_note"),
    *("drops", "bounds", "worst_slice", "nonzero_share", "calibration", "file"),
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
    made, found = _exported(model.module.load(fitted), model, data, tolerance)
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
) -> None:
    """Write what a recipe makes of a model's fp32 graph; also where it does not fit, or fails: why.

    Raises:
        TransientError: out of memory or an I/O error, so that it can be tried again.
    """
    import onnx

    data = Prepared(prepared)
    before = onnx.load(parent / GRAPH)
    context = context_of(data, model, metrics, calibration_rows, seed)
    start = Parent(before, model, lambda: model.module.load(fitted))
    head = _head(model.name, recipe_label, recipe)
    try:
        try:
            made = applied(recipe, start, context, data, tolerance)
        except NotApplicable as why:
            certificate.write(out, {**head, "status": "not_applicable", "reason": str(why)})
            return
        head |= {"facts": context.facts, "calibration": context.calibrated}
        if made.converted:
            writing.converted(out, made.converted, data, metrics, head, before)
        else:
            graph = export.finish(made.graph, data.meta)
            writing.graph(out, graph, data, metrics, head, before)
    except (TransientError, MemoryError, OSError):
        raise
    except Exception as error:  # whatever a technique's library raises; the sweep goes on
        (out / GRAPH).unlink(missing_ok=True)
        certificate.write(out, {**head, "status": "failed", "reason": _words(error)})


def write_unmade(
    out: Path, model: Plugin, recipe_label: str, recipe: list[Plugin], status: str, why: str
) -> None:
    """Write the certificate of a variant that could not be made, or was not."""
    content = {**_head(model.name, recipe_label, recipe), "status": status, "reason": why}
    certificate.write(out, content)


def blame(
    parent: Path,
    fitted: Path,
    model: Plugin,
    recipe: list[Plugin],
    prepared: Path,
    metrics: list[Plugin],
    tolerance: float,
    calibration_rows: int,
    seed: int,
) -> list[layers.Blame]:
    """Return the layers that a recipe's last technique changes, by the error that each adds alone.

    Raises:
        ParamsError: none of its techniques works layer by layer.
    """
    import onnx

    places = [at for at, step in enumerate(recipe) if layers.by_layer(step)]
    if not places:
        raise ParamsError(
            f"{model.name}/{'+'.join(step.name for step in recipe) or FP32}: no technique of it "
            "works layer by layer; ptq_int8 and ptq_int4 do"
        )
    data = Prepared(prepared)
    context = context_of(data, model, metrics, calibration_rows, seed)
    start = Parent(onnx.load(parent / GRAPH), model, lambda: model.module.load(fitted))
    before = applied(recipe[: places[-1]], start, context, data, tolerance)
    return layers.blamed(before, recipe[places[-1]], context)


def context_of(
    data: Prepared, model: Plugin, metrics: list[Plugin], calibration_rows: int, seed: int
) -> Context:
    return Context(
        meta=data.meta,
        draw=lambda: calibration(data, calibration_rows, seed),
        matrix=lambda: data.X("train")[_drawn(data, calibration_rows, seed)],
        rows=lambda: training_data(data),
        fit=FitContext(seed=seed),
        judge=lambda fitted: _judged(fitted, model, data, metrics),
        hold=lambda: held(data),
        metric=drops.usual(metrics, data.meta),
    )


def calibration(data: Prepared, rows: int, seed: int) -> dict[str, np.ndarray]:
    """Return the graph's inputs for training rows, those kept for early stopping first."""
    return data.feed("train", _drawn(data, rows, seed))


def _drawn(data: Prepared, rows: int, seed: int) -> np.ndarray:
    stop = data.stop
    generator = np.random.default_rng(seed)
    order = np.concatenate([generator.permutation(np.flatnonzero(kept)) for kept in (stop, ~stop)])
    return np.sort(order[:rows])


def held(data: Prepared) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return inputs and target of the training rows kept for early stopping; of all, if none is."""
    rows = np.flatnonzero(data.stop)
    rows = rows if len(rows) else np.arange(data.meta.parts["train"])
    return data.feed("train", rows), data.y("train")[rows]


def _exported(
    fitted: Any, model: Plugin, data: Prepared, tolerance: float
) -> "tuple[onnx.ModelProto, export.Difference]":
    import onnx

    prepare = onnx.load(data.folder / "prepare.onnx")
    made = export.whole(prepare, model.module.to_onnx(fitted), data.meta)
    judged = data.meta.judged
    expected = np.asarray(model.module.predict(fitted, data.X(judged)))
    got = graphs.run(graphs.session(made), data.feed(judged))
    return made, export.verify(got, expected, tolerance, f"ONNX graph of {model.name}")


def _judged(fitted: Any, model: Plugin, data: Prepared, metrics: list[Plugin]) -> dict[str, Any]:
    part = data.meta.judged
    predicted = model.module.predict(fitted, data.X(part))
    return scoring.scores(data.meta.task, data.y(part), predicted, metrics)


def applied(
    recipe: list[Plugin], parent: Parent, context: Context, data: Prepared, tolerance: float
) -> Parent:
    """Return what the last technique leaves.

    Raises:
        NotApplicable: a technique does not fit what the one before it left.
    """
    for step in recipe:
        earlier = (*parent.earlier, step.name)
        try:
            if reason := unfit(step, parent):
                raise NotApplicable(reason)
            converted: Converted | None = None
            if hasattr(step.module, "convert"):
                converted = step.module.convert(parent, step.typed, context)
                graph, load = parent.graph, None
            elif hasattr(step.module, "shrink"):
                model = step.module.shrink(parent, step.typed, context)
                graph = _exported(model, parent.model, data, tolerance)[0]
                load = lambda made=model: made  # noqa: E731 - the model, when it is asked for
            else:
                graph, load = step.module.apply(parent, step.typed, context), None
            parent = Parent(graph, parent.model, load, earlier, (parent, step), converted)
        except NotApplicable as why:
            raise NotApplicable(str(why) if len(recipe) == 1 else f"{step.name}: {why}") from None
    return parent


def unfit(step: Plugin, parent: Parent) -> str | None:
    """Return why a technique does not fit what it is given, or None."""
    if parent.converted:
        return f"nothing follows {parent.earlier[-1]}: its file is no ONNX graph"
    if reason := getattr(parent.model.module, "REFUSES", {}).get(step.name):
        return reason
    if parent.load is None and {"shrink", "convert"} & set(vars(step.module)):
        return f"it starts from the fitted model: put it before {parent.earlier[-1]}"
    return step.module.applies(parent) or unavailable("technique", step.name)


def _head(model: str, recipe_label: str, recipe: list[Plugin]) -> dict[str, Any]:
    """Return the part of `variant.json` that is known beforehand; the rest is null."""
    precision, dialect, note = FP32, None, None
    for step in recipe:
        if hasattr(step.module, "note"):
            note = step.module.note(step.typed) or note
        precision = _precision(step) or precision
        if hasattr(step.module, "dialect"):
            dialect = step.module.dialect(step.typed)
    unknown = dict.fromkeys(UNKNOWN)
    return {
        **unknown,
        "model": model,
        "label": recipe_label,
        "recipe": [step.name for step in recipe],
        "recipe_params": [step.typed.model_dump(mode="json") for step in recipe],
        "precision": precision,
        "dialect": dialect,
        "engines_note": note,
    }


def _precision(step: Plugin) -> str:
    own = getattr(step.module, "precision", None)
    return own(step.typed) if own else step.module.PRECISION


def _words(error: Exception) -> str:
    text = " ".join(str(error).split())
    text = text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
    return f"{type(error).__name__}: {text}"
