"""The limits on small devices, held against what a variant costs there: measured, or estimated."""

from collections.abc import Sequence
from typing import Any

from tasks.recommend.params import OnDevice, Params
from tasks.recommend.words import metric

Costs = dict[str, dict[str, Any]]  # by device, a row of `estimates`
LIMITS = {
    "max_latency_ms": ("latency_ms", "latency_error"),
    "max_memory_mib": ("peak_memory_mib", "memory_error"),
    "max_energy_mj": ("energy_mj", "latency_error"),
}


def costs(rows: Sequence[dict[str, Any]], params: Params) -> dict[str, Costs]:
    """Return by variant what it costs on the devices that have limits.

    rows: of `estimates`.
    """
    found: dict[str, Costs] = {}
    for row in rows:
        if row["device"] in params.on_devices:
            found.setdefault(row["variant"], {})[row["device"]] = row
    return found


def limited(params: Params) -> list[tuple[str, str, float]]:
    """Return device, limit and its value, for each that is set."""
    return [
        (device, name, limit)
        for device, limits in params.on_devices.items()
        for name in LIMITS
        if (limit := getattr(limits, name)) is not None
    ]


def checks(found: Costs, params: Params) -> list[dict[str, Any]]:
    """Return one entry a limit, as `constraints.checks` does; and one for each device's memory.

    found: what the variant costs; a variant that is no ONNX graph costs nobody knows what.
    """
    entries = []
    for device, limits in params.on_devices.items():
        row = found.get(device)
        entries.append(_memory(device, row))
        for name in LIMITS:
            limit = getattr(limits, name)
            if limit is not None:
                entries.append(
                    _limit(f"{device}.{name}", limit, _cost(row, name, limits), row, name)
                )
    return entries


def _memory(device: str, row: dict[str, Any] | None) -> dict[str, Any]:
    """Return whether the device has the memory at all."""
    if row is None or row["memory_mib"] is None:
        return _unknown(f"{device}.memory_mib", None, "no ONNX graph, so nothing is known of it")
    need, has = row["peak_memory_mib"], row["memory_mib"]
    return {
        "name": f"{device}.memory_mib",
        "limit": has,
        "value": need,
        "ok": row["fits"],
        "margin": has - need if row["fits"] or need > has else None,
        "note": row["memory_error"],
    }


def _cost(row: dict[str, Any] | None, name: str, limits: OnDevice) -> list[float] | None:
    """Return the interval of what a row of input costs, or None."""
    found = row[LIMITS[name][0]] if row else None
    if name == "max_latency_ms" and found:
        threads = str(limits.threads) if limits.threads else max(found, key=int)
        return found.get(threads)
    return [found, found] if isinstance(found, int | float) else found


def _limit(
    name: str, limit: float, cost: list[float] | None, row: dict[str, Any] | None, of: str
) -> dict[str, Any]:
    if cost is None:
        why = (row or {}).get(LIMITS[of][1]) or "nothing is known of it there"
        return _unknown(name, limit, why)
    low, high = cost
    entry = {"name": name, "limit": limit, "value": high, "ok": high <= limit, "note": None}
    if low < high:
        entry["note"] = f"{row['kind']}: {metric(low)} to {metric(high)}" if row else None
    return entry | {"margin": limit - high}


def _unknown(name: str, limit: float | None, why: str) -> dict[str, Any]:
    return {
        "name": name,
        "limit": limit,
        "value": None,
        "ok": False,
        "margin": None,
        "note": why,
    }
