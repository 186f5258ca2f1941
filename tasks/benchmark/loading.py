"""Loads every variant into every engine that takes it, and checks what it predicts there."""

import contextlib
import ctypes
import gc
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.benchmark.engines import onnx_runtime
from tasks.benchmark.params import Params
from tasks.benchmark.subject import Rows, Session, Subject
from tasks.core import progress, scoring
from tasks.core.plugins import Plugin, unavailable
from tasks.core.prepared import Prepared

CHECKED_ROWS = 1024  # of a call when accuracy is measured
CERTIFY = ("onnx_runtime", "litert")  # the engines that variants are certified by
APART = 0.2  # of what predictions vary by: an engine that is further off runs another model
SHOWN = 300


@dataclass(frozen=True)
class Work:
    """What is to be measured: paths and plugins, so that it can be sent to another process."""

    variants: list[Path]
    fitted: dict[str, Path]  # by the model's name
    models: dict[str, Plugin]
    engines: list[Plugin]
    metrics: list[Plugin]
    prepared: Path


@dataclass
class Loaded:
    """A variant in an engine, its accuracy known."""

    subject: Subject
    engine: Plugin
    session: Session
    facts: dict[str, Any]


def subjects_of(work: Work, data: Prepared) -> list[Subject]:
    """Return the variants that have a file."""
    subjects = []
    for folder in work.variants:
        certificate = json.loads((folder / "variant.json").read_text())
        if certificate["status"] == "ok":
            name = certificate["model"]
            subjects.append(
                Subject(
                    certificate,
                    folder / certificate["file"],
                    work.models[name].module,
                    work.fitted[name],
                    data.meta,
                )
            )
    return subjects


def load(
    subjects: list[Subject],
    work: Work,
    rows: Rows,
    y: np.ndarray,
    params: Params,
    device: str,
) -> tuple[list[Loaded], list[dict[str, Any]]]:
    """Return the variants loaded into the engines, and a row with the reason for the others."""
    loaded: list[Loaded] = []
    others: list[dict[str, Any]] = []
    expected = _Expected(subjects, rows, params.threads)
    for at, engine in enumerate(work.engines):
        progress.report(0.4 * at / len(work.engines), f"load {engine.name}")
        reason = unavailable("engine", engine.name)
        if not reason and engine.module.DEVICE == "cuda" and device != "cuda":
            reason = "this run is on the CPU (device: cpu)"
        if reason:
            others.append(_missing("*", engine.name, "unavailable", reason))
            continue
        primed = False
        for subject in subjects:
            reason = engine.module.supports(subject)
            if reason:
                others.append(_missing(subject.name, engine.name, "unsupported", reason))
                continue
            try:
                if not primed:  # the first load brings the library itself into memory
                    _session(engine, subject, params, device)
                    primed = True
                before = _resident_mib()
                session = _session(engine, subject, params, device)
                largest = rows.part(slice(params.batch_sizes[-1]))
                session.run(session.feed(largest))
                memory = max(_resident_mib() - before, 0.0)
                certifies = engine.name in CERTIFY and not subject.is_original
                found = _checked(session, rows, y, work.metrics, subject, expected, certifies)
                found["memory_mib"] = round(memory, 3)
                loaded.append(Loaded(subject, engine, session, found))
            except Exception as error:  # whatever an engine raises; the others go on
                text = " ".join(f"{type(error).__name__}: {error}".split())[:SHOWN]
                others.append(_missing(subject.name, engine.name, "failed", text))
    return loaded, others


def _session(engine: Plugin, subject: Subject, params: Params, device: str) -> Session:
    return engine.module.load(subject, engine.typed, device, params.threads)


def _missing(variant: str, engine: str, status: str, reason: str) -> dict[str, Any]:
    return {
        "variant": variant,
        "engine": engine,
        "batch": None,
        "status": status,
        "reason": reason,
    }


class _Expected:
    """What variants predict by what they are certified by, (n, output) float64 of the rows."""

    def __init__(self, subjects: list[Subject], rows: Rows, threads: int) -> None:
        self.rows, self.threads = rows, threads
        self.native = {
            s.certificate["model"]: np.asarray(s.plugin.predict(s.plugin.load(s.fitted), rows.X))
            for s in subjects
            if s.is_original
        }
        self.made: dict[str, np.ndarray] = {}

    def of_model(self, subject: Subject) -> np.ndarray:
        """Return what the fitted model itself predicts."""
        return _flat(self.native[subject.certificate["model"]], subject)

    def of(self, subject: Subject) -> np.ndarray:
        """Return what the variant predicts: the model, of its ONNX graph ONNX Runtime."""
        if subject.is_original:
            return self.of_model(subject)
        if subject.name not in self.made:
            session = onnx_runtime.load(subject, onnx_runtime.Params(), "cpu", self.threads)
            self.made[subject.name] = _predicted(session, self.rows, subject)
        return self.made[subject.name]


def _checked(
    session: Session,
    rows: Rows,
    y: np.ndarray,
    metrics: list[Plugin],
    subject: Subject,
    expected: _Expected,
    certifies: bool,
) -> dict[str, Any]:
    """Return the metrics of what the engine predicts for all judged rows, and how far off.

    certifies: the variant's certificate says what this engine predicts.

    Raises:
        RuntimeError: that is not finite, or not what the variant is certified to predict.
    """
    meta, got = subject.meta, _predicted(session, rows, subject)
    if len(got) != len(rows.X) or not np.isfinite(got).all():
        raise RuntimeError(f"expected {len(rows.X)} finite predictions, found {got.shape}")
    if not certifies and (apart := _apart(got, expected.of(subject))) > APART:
        raise RuntimeError(
            f"it does not predict what the variant is certified to: off by {apart:.0%} of what "
            f"predictions vary by (root mean square), {APART:.0%} at most"
        )
    return {
        "metrics": scoring.scores(meta.task, y, got, metrics, meta.sequence),
        "max_abs_difference": float(np.abs(got - expected.of_model(subject)).max()),
    }


def _predicted(session: Session, rows: Rows, subject: Subject) -> np.ndarray:
    parts = [
        np.array(session.run(session.feed(rows.part(slice(at, at + CHECKED_ROWS)))))
        for at in range(0, len(rows.X), CHECKED_ROWS)
    ]
    return np.concatenate([_flat(part, subject) for part in parts])


def _flat(predictions: np.ndarray, subject: Subject) -> np.ndarray:
    return predictions.reshape(-1, subject.meta.outputs).astype(np.float64)


def _apart(got: np.ndarray, expected: np.ndarray) -> float:
    """Return the root mean square of the differences, as a share of what `expected` varies by."""
    size = np.abs(expected).max(initial=np.finfo(float).tiny)
    varies = max(float(expected.std(axis=0).max()), 1e-3 * float(size))
    return float(np.sqrt(((got - expected) ** 2).mean())) / varies


def _resident_mib() -> float:
    """Return the memory this process holds, what it freed given back first."""
    import psutil

    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc only
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return psutil.Process().memory_info().rss / 2**20
