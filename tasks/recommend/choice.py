"""The choice: of the candidates that meet every limit, the one the goal asks for; with reasons."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tasks.core.counting import counted
from tasks.recommend import constraints, on_device
from tasks.recommend.candidates import Candidate, gather, with_front
from tasks.recommend.params import Params
from tasks.recommend.words import kib, metric, ms, names, percent

BASELINE = "baseline"
TOO_LITTLE = 1e-4  # a share that reads as 0 %
DROP_UNIT = 0.01  # without a max_drop, what counts as much as a doubling of size or latency


def recommend(
    rows: list[dict],
    leaderboard: dict,
    variants: dict[str, dict],
    params: Params,
    devices: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Return the content of recommendation.json; it depends on its arguments alone.

    devices: what each variant costs on small devices (`estimates`).
    """
    greater = leaderboard["greater_is_better"]
    found, left_out = gather(rows, leaderboard, variants, params)
    costs = on_device.costs(devices, params)
    found = constraints.judged(with_front(found, greater), params, greater, costs)
    fitting = [c for c in found if c.fits]
    chosen = choose(fitting, params, greater)
    content: dict[str, Any] = {
        "goal": params.goal,
        "batch": params.batch,
        "engines": params.engines,
        "primary": leaderboard["primary"],
        "greater_is_better": greater,
        "judged": leaderboard["judged"],
        "constraints": {
            name: getattr(params, name)
            for name in ("min_metric", "max_drop", "max_size_kib", "max_latency_p99_ms")
        }
        | {f"{device}.{name}": limit for device, name, limit in on_device.limited(params)},
        "fits": chosen is not None,
        "chosen": None,
        "candidates": [
            _facts(c) | _pros_and_cons(c, found, chosen, greater) for c in _ordered(found, chosen)
        ],
        "left_out": left_out,
        "devices": list(devices),
        "nearest_miss": None,
        "failing_constraint": None,
        "would_have_to_give": [],
    }
    if chosen:
        file = variants[chosen.variant].get("file", "model.onnx")
        content["chosen"] = {**_facts(chosen), "graph": f"{chosen.variant}/{file}"}
        content["why"] = why(chosen, fitting, found, leaderboard, params)
    else:
        content |= _nothing_fits(found, left_out, leaderboard, params)
    return content


def choose(fitting: list[Candidate], params: Params, greater: bool) -> Candidate | None:
    """Return the candidate that the goal asks for, or None where there is none.

    accuracy: the best-ranked model, then its best variant. size: the smallest file. latency: the
    lowest p50; those whose intervals overlap with the lowest count as equally fast. balanced: see
    `cost`. What is equal so far is decided by size, p50, rank and name, so that the same input
    gives the same choice.
    """
    if not fitting:
        return None
    last = lambda c: (c.size_kib, c.p50_ms, c.rank, c.key)  # noqa: E731
    if params.goal == "accuracy":
        return min(fitting, key=lambda c: (c.rank, -c.metric if greater else c.metric, last(c)))
    if params.goal == "size":
        return min(fitting, key=last)
    if params.goal == "latency":
        fastest = min(fitting, key=lambda c: (c.p50_ms, last(c)))
        equal = [c for c in fitting if c.p50_interval[0] <= fastest.p50_interval[1]]
        return min(equal, key=last)
    unit = params.max_drop or DROP_UNIT
    return min(fitting, key=lambda c: (round(cost(c, fitting, unit), 6), last(c)))


def cost(c: Candidate, among: list[Candidate], drop_unit: float) -> float:
    """Return what `balanced` minimises: doublings of size over the smallest, plus doublings of p50
    over the fastest, plus the drop in units of `drop_unit` (a gain over the reference counts
    nothing)."""
    size = math.log2(c.size_kib / min(o.size_kib for o in among))
    speed = math.log2(c.p50_ms / min(o.p50_ms for o in among))
    return size + speed + max(c.drop_share, 0.0) / drop_unit


def why(
    chosen: Candidate, fitting: list[Candidate], found: list[Candidate], board: dict, params: Params
) -> list[str]:
    """Return the reasons for the choice, a sentence each, with their numbers."""
    primary, judged = board["primary"], board["judged"]
    words = [
        f"{len(fitting)} of {counted(len(found), 'measured candidate')} "
        f"{'meets' if len(fitting) == 1 else 'meet'} every limit{_missed(found)}. "
        f"By the goal {params.goal!r}, {chosen.variant} through {chosen.engine} comes first."
    ]
    group = [name for name in board.get("group", []) if name != chosen.model]
    standing = f"It reaches {primary} {metric(chosen.metric)} on {judged}"
    if chosen.tied and group:
        equal = "" if params.goal == "accuracy" else ", so they count as equally accurate"
        words.append(
            f"{standing}. Its model {chosen.model} is statistically tied with {names(group)} as "
            f"the best{equal}."
        )
    elif chosen.tied:
        words.append(f"{standing}. Its model {chosen.model} is the best of the comparison.")
    else:
        limit = "no max_drop is set" if params.max_drop is None else "its drop is within max_drop"
        words.append(f"{standing}. Its model {chosen.model} is behind the best, but {limit}.")
    if BASELINE in board.get("group", []):
        words.append(
            f"No model is shown to be better than {BASELINE}, which gives every row the same "
            "answer: the columns tell too little of the target, or the rows are too few."
        )
    if chosen.variant != f"{chosen.reference}/fp32":
        words.append(_drop_in_words(chosen, primary))
    size = f"{kib(chosen.size_kib)} on disk"
    if chosen.smaller and chosen.smaller >= 1.05:
        size += f", {chosen.smaller:.2g} times smaller than {chosen.model} in fp32"
    low, high = chosen.p50_interval
    speed = f"p50 {ms(chosen.p50_ms)} [{ms(low)}, {ms(high)}] at batch {chosen.batch}"
    if chosen.faster and (chosen.faster >= 1.05 or chosen.faster <= 0.95):
        speed += f", {chosen.faster:.2g} times as fast as in fp32"
        if chosen.faster_interval:
            speed += " [{:.2g}, {:.2g}]".format(*chosen.faster_interval)
    if chosen.p99_ms is not None:
        speed += f", p99 {ms(chosen.p99_ms)}"
    words.append(f"{size}; {speed}.")
    words += [f"Note: {e['name']}: {e['note']}." for e in chosen.constraints if e["note"]]
    return words


def _missed(found: list[Candidate]) -> str:
    """Return how many candidates miss each limit, as the rest of a sentence."""
    missed = Counter(e["name"] for c in found for e in c.constraints if not e["ok"])
    if not missed:
        return ""
    told = (
        f"{count} {'misses' if count == 1 else 'miss'} {name}"
        for name, count in missed.most_common()
    )
    return f" ({', '.join(told)})"


def _drop_in_words(c: Candidate, primary: str) -> str:
    if c.drop == 0:
        return f"It gives the same {primary} as {c.reference} uncompressed."
    if abs(c.drop_share) < TOO_LITTLE:
        return (
            f"Its {primary} differs from that of {c.reference} uncompressed "
            f"({metric(c.reference_metric)}) by less than {percent(TOO_LITTLE)} of it."
        )
    direction = "worse" if c.drop > 0 else "better"
    return (
        f"That is {metric(abs(c.drop))} {direction} than {c.reference} uncompressed "
        f"({metric(c.reference_metric)}), {percent(abs(c.drop_share))} of it."
    )


def _facts(c: Candidate) -> dict[str, Any]:
    return {
        "variant": c.variant,
        "model": c.model,
        "engine": c.engine,
        "batch": c.batch,
        "metric": c.metric,
        "drop": c.drop,
        "drop_share": _finite(c.drop_share),
        "drop_share_bound": _finite(c.drop_share_bound),
        "metric_bound": c.metric_bound,
        "reference": c.reference,
        "size_kib": c.size_kib,
        "p50_ms": c.p50_ms,
        "p50_low": c.p50_interval[0],
        "p50_high": c.p50_interval[1],
        "p99_ms": constraints.INSUFFICIENT if c.p99_ms is None else c.p99_ms,
        "tied_with_best": c.tied,
        "pareto": c.pareto,
        "fits": c.fits,
        "constraints": [{key: _finite(value) for key, value in e.items()} for e in c.constraints],
    }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _pros_and_cons(
    c: Candidate, found: list[Candidate], chosen: Candidate | None, greater: bool
) -> dict[str, list[str]]:
    best = (max if greater else min)(o.metric for o in found)
    pros = [
        text
        for text, holds in (
            ("best value of the metric", c.metric == best),
            ("smallest file", c.size_kib == min(o.size_kib for o in found)),
            ("lowest p50", c.p50_ms == min(o.p50_ms for o in found)),
            ("on the Pareto front", c.pareto),
            ("model tied with the best", c.tied),
        )
        if holds
    ]
    cons = [_con(e) for e in c.constraints if not e["ok"]]
    if not c.pareto:
        cons.append("another one is better or equal in everything")
    if chosen and c.key != chosen.key:
        if c.size_kib > chosen.size_kib * 1.05:
            cons.append(f"{c.size_kib / chosen.size_kib:.2g} times the size of the choice")
        if c.p50_interval[0] > chosen.p50_interval[1]:
            cons.append(f"{c.p50_ms / chosen.p50_ms:.2g} times the p50 of the choice")
    return {"pros": pros, "cons": cons}


def _con(entry: dict) -> str:
    if entry["margin"] is None:
        return f"{entry['name']}: {entry['note']}"
    sure = f" (95 % bound; {metric(entry['measured'])} measured)" if "measured" in entry else ""
    return f"{entry['name']}: {metric(entry['value'])}{sure}, the limit is {metric(entry['limit'])}"


def _ordered(found: list[Candidate], chosen: Candidate | None) -> list[Candidate]:
    first = chosen.key if chosen else None
    return sorted(found, key=lambda c: (c.key != first, not c.fits, c.rank, c.size_kib, c.key))


def _nothing_fits(
    found: list[Candidate], left_out: list[dict], leaderboard: dict, params: Params
) -> dict[str, Any]:
    if not found:
        asked = "any engine" if params.engines is None else names(params.engines)
        reasons = sorted({f"{o['engine']}: {o['reason']}" for o in left_out})
        return {
            "failing_constraint": {"name": "engines", "limit": params.engines, "best": None},
            "why": [
                f"Nothing was measured that could be recommended (batch {params.batch}, {asked}).",
                *reasons[:8],
            ],
            "would_have_to_give": [
                "recommend.engines or recommend.batch, or add them to benchmark's own"
            ],
        }
    fail, miss = constraints.failing(found), constraints.nearest(found)
    assert fail is not None  # found is not empty
    assert miss is not None
    gives = constraints.gives(miss)
    met = (
        f"none of {counted(fail['of'], 'candidate')} meets it; the nearest is "
        f"{fail['best_variant']}"
        if not fail["met_by"]
        else f"{fail['met_by']} of {counted(fail['of'], 'candidate')} "
        f"{'meets' if fail['met_by'] == 1 else 'meet'} it, but none of them the others too"
    )
    return {
        "failing_constraint": fail,
        "nearest_miss": _facts(miss),
        "would_have_to_give": gives,
        "why": [
            f"{fail['name']} fails: {met}.",
            f"The nearest miss is {miss.variant} through {miss.engine} "
            f"({leaderboard['primary']} {metric(miss.metric)}, {kib(miss.size_kib)}, "
            f"p99 {'insufficient samples' if miss.p99_ms is None else ms(miss.p99_ms)}).",
            f"For it to fit: {'; '.join(gives)}.",
        ],
    }
