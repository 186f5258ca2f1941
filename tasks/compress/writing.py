"""Writes a variant's file and its certificate, by what it predicts of the judged rows."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.compress import certificate, drops, export, graphs
from tasks.compress.protocol import Converted
from tasks.core import scoring
from tasks.core.errors import ParityError
from tasks.core.plugins import Plugin
from tasks.core.prepared import Prepared

if TYPE_CHECKING:
    import onnx

GRAPH = "model.onnx"
SHOWN = 300  # characters of an error
TREES_NOTE = "tree ensembles (ai.onnx.ml): ONNX Runtime only"


def graph(
    out: Path,
    made: "onnx.ModelProto",
    data: Prepared,
    metrics: list[Plugin],
    head: dict[str, Any],
    before: "onnx.ModelProto | None" = None,
) -> None:
    """Write `model.onnx` and its certificate: predictions through ONNX Runtime's CPU.

    Raises:
        ParityError: a prediction is not a finite number.
    """
    content = graphs.serialise(made)
    rows = data.feed(data.meta.judged)
    got = graphs.run(graphs.session(content, dialect=head["dialect"]), rows)
    old = None if before is None else graphs.run(graphs.session(before), rows)
    stated = _judged(got, data, metrics, old)
    if before is not None and head["precision"] in ("int8", "int4"):
        stated["quantised_share"] = certificate.quantised_share(content, head["dialect"])
    if before is not None and head["precision"] == "int8":
        stated["quantised_weights"] = certificate.quantised_weights(made)
    opset = {o.domain or "ai.onnx": o.version for o in made.opset_import}
    trees = graphs.is_trees(made.graph)
    stated |= {
        "file": GRAPH,
        "bytes": len(content),
        "zstd_bytes": certificate.zstd_bytes(content),
        "weight_bytes": graphs.weight_bytes(made.graph),
        "nonzero_share": certificate.nonzero_share(made),
        "opset": opset["ai.onnx"],
        "domains": opset,
        "engines_note": TREES_NOTE if trees else head["engines_note"],
    }
    if before is not None and len(content) > (whole := len(graphs.serialise(before))):
        larger = f"larger than the fp32 graph: {len(content):,} bytes, not {whole:,}"
        stated["engines_note"] = "; ".join(filter(None, [stated["engines_note"], larger]))
    certificate.write(out, {**head, "status": "ok", **stated})
    (out / GRAPH).write_bytes(content)


def converted(
    out: Path,
    made: Converted,
    data: Prepared,
    metrics: list[Plugin],
    head: dict[str, Any],
    before: "onnx.ModelProto",
) -> None:
    """Write a file that is no ONNX graph, and its certificate: predictions of prepared rows.

    Raises:
        ParityError: a prediction is not a finite number.
    """
    old = graphs.run(graphs.session(before), data.feed(data.meta.judged))
    stated = _judged(made.predict(data.X(data.meta.judged)), data, metrics, old)
    stated |= {
        "file": made.name,
        "bytes": len(made.content),
        "zstd_bytes": certificate.zstd_bytes(made.content),
        **made.facts,
    }
    certificate.write(out, {**head, "status": "ok", **stated})
    (out / made.name).write_bytes(made.content)


def _judged(
    got: np.ndarray, data: Prepared, metrics: list[Plugin], old: np.ndarray | None
) -> dict[str, Any]:
    """Return what is stated of predictions of the judged rows, and of what they lose against old
    ones.
    """
    meta = data.meta
    if not np.isfinite(got).all():
        raise ParityError(
            f"{int((~np.isfinite(got)).sum())} of {got.size} predictions are not finite numbers"
        )
    stated = {
        "metrics": scoring.scores(meta.task, data.y(meta.judged), got, metrics, meta.sequence),
        "bounds": drops.bounds_of(data, got, metrics),
    }
    if old is None:
        return stated
    return {
        **stated,
        "parity": certificate.stated(export.difference(got, old), "the fp32 graph", None),
        "agreement": certificate.agreement(got, old, meta.task),
        **drops.losses(data, old, got, metrics),
    }


def words_of(error: Exception) -> str:
    """Return an error in one line."""
    text = " ".join(str(error).split())
    text = text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
    return f"{type(error).__name__}: {text}"
