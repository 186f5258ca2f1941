"""The limits that a recommended variant must meet, and what would have to give where none does."""

from dataclasses import replace
from typing import Any

from tasks.recommend import on_device
from tasks.recommend.candidates import Candidate
from tasks.recommend.params import Params
from tasks.recommend.words import kib, metric, ms, percent

INSUFFICIENT = "insufficient"
SHOWN = {
    "max_size_kib": kib,
    "max_latency_p99_ms": ms,
    "max_drop": percent,
    "min_metric": metric,
    "max_latency_ms": ms,
    "max_memory_mib": lambda value: kib(value * 1024),
    "max_energy_mj": lambda value: f"{metric(value)} mJ",
}
CROWDED = 2.0  # load a core, the run's own work before the measurement included


def judged(
    found: list[Candidate], params: Params, greater: bool, costs: dict[str, on_device.Costs]
) -> list[Candidate]:
    """Return the candidates with `constraints` set: each limit with value, ok and margin.

    costs: what variants cost on devices (`on_device.costs`).
    """
    return [
        replace(
            c,
            constraints=checks(c, params, greater)
            + on_device.checks(costs.get(c.variant, {}), params),
        )
        for c in found
    ]


def checks(candidate: Candidate, params: Params, greater: bool) -> list[dict[str, Any]]:
    """Return one entry a limit that is set: name, limit, value, ok, margin, note, and `measured`
    where the value that counts is a bound.

    `margin` is how far inside the limit the value is, in the limit's unit; negative: outside;
    None: the value is not known well enough to be held against the limit.
    """
    entries = []
    if params.min_metric is not None:
        inside = candidate.metric_bound - params.min_metric
        inside = inside if greater else -inside
        entry = _entry("min_metric", params.min_metric, candidate.metric_bound, inside)
        entries.append(entry | {"measured": candidate.metric})
    if params.max_drop is not None:
        inside = params.max_drop - candidate.drop_share_bound
        entry = _entry("max_drop", params.max_drop, candidate.drop_share_bound, inside)
        entries.append(entry | {"measured": candidate.drop_share})
    if params.max_size_kib is not None:
        inside = params.max_size_kib - candidate.size_kib
        entries.append(_entry("max_size_kib", params.max_size_kib, candidate.size_kib, inside))
    if params.max_latency_p99_ms is not None:
        entries.append(_latency(candidate, params.max_latency_p99_ms))
    return entries


def _latency(candidate: Candidate, limit: float) -> dict[str, Any]:
    name, value = "max_latency_p99_ms", candidate.p99_ms
    if value is None:
        return {
            "name": name,
            "limit": limit,
            "value": INSUFFICIENT,
            "ok": False,
            "margin": None,
            "note": "too few samples for a p99, so it cannot meet a limit on it",
        }
    entry = _entry(name, limit, value, limit - value)
    if candidate.p99_interval and candidate.p99_interval[0] <= limit < candidate.p99_interval[1]:
        entry["note"] = f"the interval of the p99 reaches {ms(candidate.p99_interval[1])}"
    return entry


def _entry(name: str, limit: float, value: float, margin: float) -> dict[str, Any]:
    # 1e-9 of slack: 0.99 - 0.98 is a little more than 0.01
    slack = 1e-9 * max(1.0, abs(limit))
    return {
        "name": name,
        "limit": limit,
        "value": value,
        "ok": margin >= -slack,
        "margin": margin,
        "note": None,
    }


def crowded(measured: dict[str, Any]) -> str | None:
    """Return a warning where other work kept the machine's cores busy while it was measured."""
    machine = measured.get("machine", {})
    cores = machine.get("cores_usable") or machine.get("cores")
    loads = [values[0] for values in measured.get("load_average", {}).values() if values]
    if not cores or not loads or min(loads) <= CROWDED * cores:
        return None
    return (
        f"Other work kept the machine busy during the measurement (load {min(loads):.1f} on "
        f"{cores} cores): latencies, p99 above all, are too high. Measure again when it is quiet: "
        "temper run … --measure."
    )


def excess(entry: dict[str, Any]) -> float:
    """Return the share of the limit that is exceeded: 0 where met, infinite where not measured."""
    if entry["ok"]:
        return 0.0
    if entry["margin"] is None:
        return float("inf")
    return -entry["margin"] / max(abs(entry["limit"]), 1e-12)


def nearest(found: list[Candidate]) -> Candidate | None:
    """Return the candidate that fails the fewest limits, and those by the least."""
    return min(found, key=_distance, default=None)


def _distance(c: Candidate) -> tuple:
    failed = [e for e in c.constraints if not e["ok"]]
    return (len(failed), sum(map(excess, failed)), c.rank, c.size_kib, c.key)


def failing(found: list[Candidate]) -> dict[str, Any] | None:
    """Return the limit that decides why nothing fits: one that nothing meets, else the nearest
    miss's.

    `met_by` is how many candidates meet it; `best` the value that comes nearest to it.
    """
    miss = nearest(found)
    if miss is None:
        return None
    entries = {
        e["name"]: [next(x for x in c.constraints if x["name"] == e["name"]) for c in found]
        for e in miss.constraints
    }
    never = [name for name, rows in entries.items() if not any(e["ok"] for e in rows)]
    own = {e["name"]: e for e in miss.constraints if not e["ok"]}
    worst = sorted(never or own, key=lambda name: (-min(map(excess, entries[name])), name))[0]
    best = min(range(len(found)), key=lambda i: (excess(entries[worst][i]), found[i].key))
    return {
        "name": worst,
        "limit": entries[worst][best]["limit"],
        "best": entries[worst][best]["value"],
        "best_variant": found[best].variant,
        "met_by": sum(e["ok"] for e in entries[worst]),
        "of": len(found),
    }


def gives(candidate: Candidate) -> list[str]:
    """Return what would have to give for a candidate to fit, one sentence a failed limit."""
    words = []
    for entry in candidate.constraints:
        if entry["ok"]:
            continue
        name, limit, value = entry["name"], entry["limit"], entry["value"]
        if value == INSUFFICIENT:
            words.append(
                f"{name}: there are too few samples for a p99; raise the rounds or calls of "
                f"benchmark"
            )
        elif entry["margin"] is None or name.endswith(".memory_mib"):
            words.append(f"{name}: {entry['note']}")
        else:
            show = SHOWN[name.rpartition(".")[2]]
            words.append(f"{name}: {show(limit)} would have to become {show(value)}")
    return words
