"""What each variant would cost on devices that are not here, or does cost where it was measured."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.core.artifacts import file_digest
from tasks.core.plugins import plugin
from tasks.recommend.estimate import estimate
from tasks.recommend.measured import Measured, Row


def estimates(
    graphs: dict[str, Path], devices: list[str], calibrations: Sequence[Measured] = ()
) -> list[dict[str, Any]]:
    """Return a row a variant and device, as `estimate` states it, with threads as text.

    Where the very graph was measured on the device, `kind` is "measured" and `replaced` says what
    else the row has.

    graphs: the file of each variant's graph, by `<model>/<label>`.
    """
    if not devices:
        return []
    import onnx

    measured = {found.device: found for found in calibrations}
    rows = []
    for variant, path in graphs.items():
        model, digest = onnx.load(path), file_digest(path)
        for device in devices:
            found = estimate(model, device)
            latency = found["latency_ms"] or {}
            found["latency_ms"] = {str(threads): v for threads, v in latency.items()} or None
            of = measured.get(device)
            own = [row for row in of.rows if row.graph == digest] if of else []
            rows.append({"variant": variant, **(replaced(found, of, own) if of and own else found)})
    return rows


def replaced(found: dict[str, Any], of: Measured, rows: list[Row]) -> dict[str, Any]:
    """Return an estimate with what was measured in its place.

    Keys beside the estimate's own:
        latency_ms: {threads: [low, high]}, the interval of the p50 with 95 % or more.
        estimated_ms: what the estimate said, or None.
        measured: when, on what, with which ONNX Runtime; p50, p99 and calls by threads; the memory
            of the process, before it loaded the graph and at most; what may have slowed it down.
        energy_measured: whether watts were measured; else they are the published ones.

    `peak_memory_mib` stays what the graph itself needs, as it is counted.
    """
    sound = {str(row.threads): row for row in sorted(rows, key=lambda r: r.threads) if _ok(row)}
    wrong = [f"{row.threads} threads: {row.reason}" for row in rows if not _ok(row)]
    short = [row.reason for row in rows if row.status == "memory"]
    reason = f"failed on the device: {'; '.join(wrong)}" if wrong else None
    machine, library = of.machine, of.machine.libraries.get("onnxruntime", "of no known version")
    where, day = machine.board or machine.cpu, of.measured[:10]
    return found | {
        "kind": "measured",
        "basis": f"measured on {where} on {day}, ONNX Runtime {library}",
        "latency_ms": {n: [row.p50_low, row.p50_high] for n, row in sound.items()} or None,
        "latency_error": reason,
        "estimated_ms": found["latency_ms"],
        "memory_mib": machine.memory_mib,
        "fits": not short,
        "memory_error": "; ".join(dict.fromkeys(filter(None, short))) or None,
        "measured": {
            "date": day,
            "machine": where,
            "onnxruntime": library,
            "by_threads": {n: _figures(row) for n, row in sound.items()},
            "base_rss_mib": max((row.base_rss_mib or 0 for row in sound.values()), default=None),
            "peak_rss_mib": max((row.peak_rss_mib or 0 for row in sound.values()), default=None),
            "note": of.throttled,
        },
        **_energy(of, sound),
    }


def _ok(row: Row) -> bool:
    return row.status == "ok"


def _figures(row: Row) -> dict[str, Any]:
    return row.model_dump(include={"p50_ms", "p50_low", "p50_high", "p99_ms", "samples"})


def _energy(of: Measured, sound: dict[str, Row]) -> dict[str, Any]:
    """Return watts and millijoules a row with the most threads; by the board's published watts
    where none were measured.
    """
    row = max(sound.values(), key=lambda r: r.threads, default=None)
    if row is None:
        return {"watts": None, "energy_mj": None, "energy_measured": False}
    if row.energy_mj is not None:
        watts = [of.idle_w, row.watts]
        return {"watts": watts, "energy_mj": [row.energy_mj] * 2, "energy_measured": True}
    board = plugin("device", of.device)
    if row.p50_low is None or row.p50_high is None or not hasattr(board, "IDLE_W"):
        return {"watts": None, "energy_mj": None, "energy_measured": False}
    idle, load = board.IDLE_W, board.LOAD_W
    energy_mj = [row.p50_low * idle, row.p50_high * load]
    return {"watts": [idle, load], "energy_mj": energy_mj, "energy_measured": False}
