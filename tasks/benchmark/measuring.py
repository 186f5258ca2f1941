"""Times every variant in every engine that takes it, and states what was measured."""

import gc
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tasks.benchmark import loading, machine, protocol, statistics
from tasks.benchmark.loading import Loaded, Work
from tasks.benchmark.params import Params
from tasks.benchmark.subject import FP32, Rows, Subject
from tasks.core.prepared import Prepared

FEEDS = 32  # different batches of judged rows that calls take in turn
REFERENCE = "onnx_runtime"  # the engine whose fp32 rows tell drift
CERTIFIED = (  # of a row of the table, in a certificate
    *("engine", "batch", "status", "reason", "p50_ms", "p50_low", "p50_high", "p99_ms"),
    *("speedup", "speedup_low", "speedup_high", "quantised_share"),
)
CERTIFYING = ("onnx_runtime", "litert")  # engines that certificates are of
LIBRARIES = ("numpy", "onnx")


def write(out: Path, work: Work, params: Params, seed: int, device: str) -> None:
    """Write `measurements.json`, `certificates.json` and `latencies.parquet`."""
    gc.collect()
    gc.freeze()  # what was imported is not looked through again: 150 ms each time beside torch
    data = Prepared(work.prepared)
    judged = data.meta.judged
    rows = Rows(data.feed(judged), data.X(judged))
    subjects = loading.subjects_of(work, data)
    load_before = os.getloadavg()
    loaded, others = loading.load(subjects, work, rows, data.y(judged), params, device)
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
    whole = json.dumps(_certificates(subjects, content["rows"]), indent=1, ensure_ascii=False)
    (out / "certificates.json").write_text(whole)
    _write_latencies(out, entries)


def _references(entries: list[protocol.Entry], params: Params) -> list[protocol.Entry]:
    """Return the fp32 graphs at the smallest batch in the reference engine, or in any."""
    found = [e for e in entries if e.key[0].endswith(f"/{FP32}")]
    found = [e for e in found if e.key[2] == params.batch_sizes[0]]
    return [e for e in found if e.key[1] == REFERENCE] or found


def _order(row: dict[str, Any]) -> tuple:
    return row["variant"], row["engine"], row["batch"] or 0


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
                "quantised_share": _quantised_share(item),
                **item.facts,
            }
        )
    return rows


def _certificates(subjects: list[Subject], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return each variant's certificate with what every engine measured of it, as `measured`."""
    found = {}
    for subject in subjects:
        own = [row for row in rows if row["variant"] == subject.name]
        kept = [{k: row[k] for k in CERTIFIED if row.get(k) is not None} for row in own]
        found[subject.name] = subject.certificate | {"measured": kept}
    return found


def _quantised_share(item: Loaded) -> float | None:
    """Return the share of weighted operators that run on integers in this engine, if it says so."""
    own = getattr(item.session, "quantised_share", None)
    if own:
        return own()
    stated = item.subject.certificate.get("quantised_share")
    return stated if item.engine.name in CERTIFYING else None


def _gpu_share(entry: protocol.Entry, device: str) -> float | None:
    """Return how busy the GPU is during a second of calls, 0 to 1; None on the CPU."""
    if device != "cuda":
        return None
    from tasks.core import telemetry

    with telemetry.sampling(device, every_s=0.1) as samples:
        entry.time(max(1, int(1000 / max(entry.estimate_ms, 1e-3))))
    busy = [s["utilisation"] for s in samples or [] if "utilisation" in s]
    return float(np.mean(busy)) if busy else None


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
