"""Joins measurements, leaderboard and variants: what there is to choose from, with one row each."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

from tasks.recommend.params import Params


@dataclass(frozen=True)
class Candidate:
    """One variant through one engine.

    `metric` is the primary metric measured through the engine; `drop` how much worse it is than its
    reference, in the metric's unit (negative: better); `drop_share` the same as a share of the
    reference. The bounds are one-sided, 95 %: how bad metric and drop may be for more such rows.
    `p99_ms` is None where there were too few samples for it.
    """

    variant: str
    engine: str
    batch: int
    metric: float
    drop: float
    drop_share: float
    metric_bound: float
    drop_share_bound: float
    reference: str
    reference_metric: float
    tied: bool
    rank: int
    size_kib: float
    p50_ms: float
    p50_interval: tuple[float, float]
    p99_ms: float | None
    p99_interval: tuple[float, float] | None
    smaller: float | None  # times smaller than the same model's fp32
    faster: float | None  # times faster (p50) than the same model's fp32 through the same engine
    faster_interval: tuple[float, float] | None = None
    pareto: bool = False
    constraints: list[dict[str, Any]] = field(default_factory=list)

    @property
    def model(self) -> str:
        return self.variant.split("/", 1)[0]

    @property
    def key(self) -> tuple[str, str]:
        return (self.variant, self.engine)

    @property
    def fits(self) -> bool:
        """Return whether every constraint is met."""
        return all(c["ok"] for c in self.constraints)


def gather(
    rows: list[dict], leaderboard: dict, variants: dict[str, dict], params: Params
) -> tuple[list[Candidate], list[dict[str, str]]]:
    """Return the candidates, sorted by variant and engine, and what was left out with the reason.

    rows: of measurements.json; variants: variant.json by "<model>/<label>".
    """
    primary, greater = leaderboard["primary"], leaderboard["greater_is_better"]
    ranked = {m["name"]: m for m in leaderboard["models"]}
    best = _best_uncompressed(leaderboard, variants)
    by_key = {  # what could not be measured has no batch size
        (r["variant"], r["engine"]): r for r in rows if r.get("batch") in (params.batch, None)
    }
    found, left_out = [], []
    for key, row in sorted(by_key.items()):
        variant = variants.get(key[0], {})
        reason = _unusable(row, variant, primary, params)
        if reason:
            left_out.append({"variant": key[0], "engine": key[1], "reason": reason})
            continue
        model = key[0].split("/", 1)[0]
        entry = ranked.get(model, {})
        tied = bool(entry.get("tied_with_best"))
        own = _uncompressed(variants, model, primary)
        reference, value = (model, own) if tied and own is not None else best
        metric = row["metrics"][primary]
        drop = (value - metric) if greater else (metric - value)
        slack = _slack(variant, primary)
        parent, slow = variants.get(f"{model}/fp32", {}), by_key.get((f"{model}/fp32", key[1]), {})
        found.append(
            Candidate(
                *key,
                batch=params.batch,
                metric=metric,
                drop=drop,
                drop_share=share(drop, value),
                metric_bound=metric - slack if greater else metric + slack,
                drop_share_bound=share(drop + _drop_slack(variant, primary), value),
                reference=reference,
                reference_metric=value,
                tied=tied,
                rank=entry.get("rank", len(ranked) + 1),
                size_kib=variant["bytes"] / 1024,
                p50_ms=row["p50_ms"],
                p50_interval=interval(row, "p50") or (row["p50_ms"], row["p50_ms"]),
                p99_ms=number(row.get("p99_ms")),
                p99_interval=interval(row, "p99"),
                smaller=_times(parent.get("bytes"), variant["bytes"]),
                faster=number(row.get("speedup")) or _times(slow.get("p50_ms"), row["p50_ms"]),
                faster_interval=interval(row, "speedup"),
            )
        )
    return found, left_out


def with_front(found: list[Candidate], greater: bool) -> list[Candidate]:
    """Return the candidates with `pareto` set."""
    from tasks.recommend.pareto import front

    points = [
        (-c.metric if greater else c.metric, c.size_kib, c.p50_ms, infinite(c.p99_ms))
        for c in found
    ]
    on_front = set(front(points))
    return [replace(c, pareto=i in on_front) for i, c in enumerate(found)]


def _slack(variant: dict, primary: str) -> float:
    """Return how much worse than measured the metric may be, by the certificate."""
    bound, value = ((variant.get(k) or {}).get(primary) for k in ("bounds", "metrics"))
    return 0.0 if bound is None or value is None else abs(value - bound)


def _drop_slack(variant: dict, primary: str) -> float:
    """Return how much larger than measured the drop may be; 0 of what was not compressed."""
    found = (variant.get("drops") or {}).get(primary)
    return found["bound"] - found["value"] if found else 0.0


def share(difference: float, reference: float) -> float:
    """Return a difference as a share of the reference's size (infinite where that is 0)."""
    if difference == 0:
        return 0.0
    return difference / abs(reference) if reference else math.copysign(math.inf, difference)


def number(value: Any) -> float | None:
    """Return a measured number, or None for `"insufficient"`, null and what is not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def interval(row: dict, percentile: str) -> tuple[float, float] | None:
    """Return the interval of a percentile in milliseconds, or None where the row has none."""
    low, high = number(row.get(f"{percentile}_low")), number(row.get(f"{percentile}_high"))
    return None if low is None or high is None else (low, high)


def infinite(value: float | None) -> float:
    """Return the value, or infinity where there is none: what was not measured is never better."""
    return math.inf if value is None else value


def _best_uncompressed(leaderboard: dict, variants: dict[str, dict]) -> tuple[str, float]:
    """Return the best-ranked model and its fp32 value of the primary metric on the judged rows."""
    primary = leaderboard["primary"]
    best = min(leaderboard["models"], key=lambda m: (m["rank"], m["name"]))
    own = _uncompressed(variants, best["name"], primary)
    value = best["metrics"][primary]["value"] if own is None else own
    return best["name"], math.nan if value is None else value


def _uncompressed(variants: dict[str, dict], model: str, primary: str) -> float | None:
    return number((variants.get(f"{model}/fp32", {}).get("metrics") or {}).get(primary))


def _unusable(row: dict, variant: dict, primary: str, params: Params) -> str | None:
    if params.engines is not None and row["engine"] not in params.engines:
        return f"engine {row['engine']} is not among recommend.engines"
    if row["status"] != "ok":
        return f"{row['status']}: {row.get('reason') or 'no reason given'}"
    if variant.get("status") != "ok":
        return f"{variant.get('status', 'unknown variant')}: {variant.get('reason') or 'no graph'}"
    if number((row.get("metrics") or {}).get(primary)) is None:
        return f"{primary} was not measured through this engine"
    if number(row.get("p50_ms")) is None:
        return "its latency was not measured"
    return None


def _times(parent: Any, own: Any) -> float | None:
    parent, own = number(parent), number(own)
    return parent / own if parent and own else None
