"""Loads every variant into every engine, checks what it predicts, times it, and states it all."""

import contextlib
import ctypes
import gc
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tasks.benchmark import machine, protocol, statistics
from tasks.benchmark.params import Params
from tasks.benchmark.subject import FP32, Rows, Session, Subject
from tasks.core import progress, scoring
from tasks.core.plugins import Plugin, unavailable
from tasks.core.prepared import Prepared

FEEDS = 32  # different batches of judged rows that calls take in turn
CHECKED_ROWS = 1024  # of a call when accuracy is measured
SHOWN = 300
REFERENCE = "onnx_runtime"  # the engine whose fp32 rows tell drift
LIBRARIES = ("numpy", "onnx")


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


def write(out: Path, work: Work, params: Params, seed: int, device: str) -> None:
    """Write `measurements.json` and `latencies.parquet`."""
    gc.collect()
    gc.freeze()  # what was imported is not looked through again: 150 ms each time beside torch
    data = Prepared(work.prepared)
    judged = data.meta.judged
    rows = Rows(data.feed(judged), data.X(judged))
    subjects = _subjects(work, data)
    load_before = os.getloadavg()
    loaded, others = _load(subjects, work, rows, data.y(judged), params, device)
    entries = _entries(loaded, rows, params)
    protocol.warm_up(entries, params.warm_up)
    references = _references(entries, params)
    drifts = protocol.measure_steadily(
        entries,
        references,
        params.rounds,
        params.time_budget_s,
        seed,
        params.drift_limit,
        params.repeats,
    )
    facts = {(x.subject.name, x.engine.name): x for x in loaded}
    stated = _stated(entries, facts, params, seed, device)
    libraries = {name for e in work.engines for name in getattr(e.module, "LIBRARIES", ())}
    content = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.describe((*libraries, *LIBRARIES)),
        "protocol": {
            **params.model_dump(mode="json", exclude={"engines", "time_limit_s"}),
            "engines": [e.name for e in work.engines],
            "device": device,
            "settle": f"up to {protocol.SETTLE} untimed calls a turn, {protocol.SETTLE_MS:g} ms",
            "garbage_collector": "off",
            "order": "shuffled in every round",
            "interval": f"block bootstrap over rounds, {statistics.RESAMPLES} resamples",
            "floors": {f"p{p}": n for p, n in statistics.FLOOR.items()},
            "drift": min(drifts),
            "drifts": drifts,
            "steady": min(drifts) <= params.drift_limit,
            "judged": judged,
            "rows_judged": len(rows.X),
            "notes": {e.name: e.module.NOTE for e in work.engines if hasattr(e.module, "NOTE")},
        },
        "load_average": {"before": load_before, "after": os.getloadavg()},
        "rows": sorted([*stated, *others], key=_order),
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    (out / "measurements.json").write_text(text)
    _write_latencies(out, entries)


def _references(entries: list[protocol.Entry], params: Params) -> list[protocol.Entry]:
    """Return the fp32 graphs at the smallest batch in the reference engine, or in any."""
    found = [e for e in entries if e.key[0].endswith(f"/{FP32}")]
    found = [e for e in found if e.key[2] == params.batch_sizes[0]]
    return [e for e in found if e.key[1] == REFERENCE] or found


def _order(row: dict[str, Any]) -> tuple:
    return row["variant"], row["engine"], row["batch"] or 0


def _subjects(work: Work, data: Prepared) -> list[Subject]:
    """Return the variants that have a graph."""
    subjects = []
    for folder in work.variants:
        certificate = json.loads((folder / "variant.json").read_text())
        if certificate["status"] == "ok":
            name = certificate["model"]
            subjects.append(
                Subject(
                    certificate,
                    folder / "model.onnx",
                    work.models[name].module,
                    work.fitted[name],
                    data.meta,
                )
            )
    return subjects


def _load(
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
    native = {
        s.certificate["model"]: np.asarray(s.plugin.predict(s.plugin.load(s.fitted), rows.X))
        for s in subjects
        if s.is_original
    }
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
                found = _checked(session, rows, y, work.metrics, subject, native)
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


def _checked(
    session: Session,
    rows: Rows,
    y: np.ndarray,
    metrics: list[Plugin],
    subject: Subject,
    native: dict[str, np.ndarray],
) -> dict[str, Any]:
    """Return the metrics of what the engine predicts for all judged rows, and how far off."""
    parts = [
        np.array(session.run(session.feed(rows.part(slice(at, at + CHECKED_ROWS)))))
        for at in range(0, len(rows.X), CHECKED_ROWS)
    ]
    width = len(subject.meta.classes or [0])
    got = np.concatenate([p.reshape(-1, width) for p in parts]).astype(np.float64)
    if len(got) != len(rows.X) or not np.isfinite(got).all():
        raise RuntimeError(f"expected {len(rows.X)} finite predictions, found {got.shape}")
    expected = native[subject.certificate["model"]].reshape(got.shape)
    return {
        "metrics": scoring.scores(subject.meta.task, y, got, metrics),
        "max_abs_difference": float(np.abs(got - expected).max()),
    }


def _entries(loaded: list[Loaded], rows: Rows, params: Params) -> list[protocol.Entry]:
    entries = []
    for item in loaded:
        for at, batch in enumerate(params.batch_sizes):
            feeds = [item.session.feed(rows.part(take)) for take in _batches(len(rows.X), batch)]
            wanted = params.samples if at == 0 else params.samples_more
            key = (item.subject.name, item.engine.name, batch)
            entries.append(protocol.Entry(key, item.session.run, feeds, wanted))
    return entries


def _batches(rows: int, size: int) -> list[np.ndarray]:
    """Return the positions of up to FEEDS batches; rows come again where there are too few."""
    count = min(FEEDS, max(1, -(-rows // size)))
    return [np.arange(i * size, (i + 1) * size) % rows for i in range(count)]


def _stated(
    entries: list[protocol.Entry],
    facts: dict[tuple[str, str], Loaded],
    params: Params,
    seed: int,
    device: str,
) -> list[dict[str, Any]]:
    """Return a row of the table for each entry."""
    draws = statistics.resampled_rounds(params.rounds, seed)
    found = {e.key: statistics.stated(e.ms, draws, params.confidence) for e in entries}
    by_key = {e.key: e for e in entries}
    rows = []
    for entry in entries:
        variant, engine, batch = entry.key
        item = facts[variant, engine]
        columns, p50s = found[entry.key]
        parent = (f"{item.subject.certificate['model']}/{FP32}", engine, batch)
        faster: dict[str, Any] = dict.fromkeys(("speedup", "speedup_low", "speedup_high"))
        if parent in by_key and parent != entry.key:
            faster = statistics.speed_up(
                entry.ms, p50s, by_key[parent].ms, found[parent][1], params.confidence
            )
        throughput = batch * 1e3 / float(entry.ms.mean())
        nodes = item.session.nodes()
        rows.append(
            {
                "variant": variant,
                "engine": engine,
                "batch": batch,
                "status": "ok",
                "reason": None,
                **columns,
                **faster,
                "throughput_rows_s": throughput,
                "frames_s": throughput if item.subject.meta.image_shape else None,
                "gpu_share": _gpu_share(entry, device),
                "bytes": item.subject.certificate["bytes"],
                "zstd_bytes": item.subject.certificate["zstd_bytes"],
                "providers": sorted(nodes) if nodes else None,
                "nodes": nodes,
                **item.facts,
            }
        )
    return rows


def _gpu_share(entry: protocol.Entry, device: str) -> float | None:
    """Return how busy the GPU is during a second of calls, 0 to 1; None on the CPU."""
    if device != "cuda":
        return None
    from tasks.core import telemetry

    with telemetry.sampling(device, every_s=0.1) as samples:
        entry.time(max(1, int(1000 / max(entry.estimate_ms, 1e-3))))
    busy = [s["utilisation"] for s in samples or [] if "utilisation" in s]
    return float(np.mean(busy)) if busy else None


def _resident_mib() -> float:
    """Return the memory this process holds, what it freed given back first."""
    import psutil

    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # glibc only
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return psutil.Process().memory_info().rss / 2**20


def _write_latencies(out: Path, entries: list[protocol.Entry]) -> None:
    import polars as pl

    frames = [
        pl.DataFrame(
            {
                "round": np.repeat(np.arange(len(e.ms), dtype=np.uint16), e.ms.shape[1]),
                "ms": e.ms.ravel().astype(np.float32),
            }
        ).select(
            pl.lit(e.key[0]).alias("variant"),
            pl.lit(e.key[1]).alias("engine"),
            pl.lit(e.key[2], dtype=pl.UInt32).alias("batch"),
            "round",
            "ms",
        )
        for e in entries
    ]
    schema = {"variant": pl.String, "engine": pl.String, "batch": pl.UInt32}
    empty = pl.DataFrame(schema=schema | {"round": pl.UInt16, "ms": pl.Float32})
    pl.concat([empty, *frames]).write_parquet(out / "latencies.parquet")
