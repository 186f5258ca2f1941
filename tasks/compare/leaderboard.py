"""The leaderboard: what each model scores on the judged rows, and which are tied with the best."""

import itertools
from typing import Any

import numpy as np
import polars as pl

from tasks.compare.bootstrap import differences, intervals
from tasks.compare.params import Params
from tasks.compare.significance import Difference, corrected_t, holm
from tasks.core import scoring
from tasks.core.errors import ParamsError
from tasks.core.plugins import unknown
from tasks.core.prepared import Meta

Scores = dict[str, Any]  # of `scores.json`


def leaderboard(
    meta: Meta,
    y: np.ndarray,
    predictions: dict[str, np.ndarray],
    resamples: dict[str, Scores],
    params: Params,
    seed: int,
) -> dict[str, Any]:
    """Return the content of `leaderboard.json`; models by name, the best first.

    The order is that of the primary metric's mean over the resamples that all models share: the
    judged rows choose no winner. Models are tied with the best where neither the corrected
    resampled t-test, after Holm's adjustment over all comparisons with it, shows a difference, nor
    the judged rows show them behind it (paired bootstrap). The second matters where resamples say
    little: windows of time that hold one class only, say, where a constant is right.

    Raises:
        ParamsError: the primary metric is none of the task's.
    """
    metrics = scoring.metrics(meta.task, sequence=meta.sequence)
    primary = params.primary or scoring.PRIMARY[meta.task]
    if primary not in metrics:
        known = tuple(metrics)
        raise ParamsError("compare.primary: " + unknown(f"metric {primary!r}", primary, known))
    greater = metrics[primary].GREATER_IS_BETTER
    values, draws = intervals(metrics, y, predictions, params.bootstrap, params.confidence, seed)
    order = _order(values, resamples, primary, greater)
    pairs = _pairwise(order, resamples, primary, params.confidence)
    tested = [pair for pair in pairs if pair["p"] is not None]
    for pair, p in zip(tested, holm([pair["p"] for pair in tested]), strict=True):
        pair["p_adjusted"] = p
    best = order[0]
    against = {pair["b"]: pair["p"] for pair in tested if pair["a"] == best}
    adjusted = dict(zip(against, holm(list(against.values())), strict=True))
    gaps = differences(
        metrics[primary], y, predictions, best, params.bootstrap, params.confidence, seed
    )
    behind = {name for name, gap in gaps.items() if _behind(gap, greater)}
    models = [
        {
            "name": name,
            "rank": rank,
            "metrics": values[name],
            "resamples": _summary(resamples.get(name)),
            "p_adjusted_vs_best": adjusted.get(name),
            "judged_vs_best": gaps.get(name),
            "behind_on_judged": name in behind,
            "tied_with_best": name not in behind
            and _tied(name, best, adjusted, resamples, 1 - params.confidence),
        }
        for rank, name in enumerate(order, 1)
    ]
    return {
        "task": meta.task,
        "judged": meta.judged,
        "rows_judged": len(y),
        "primary": primary,
        "greater_is_better": greater,
        "confidence": params.confidence,
        "models": models,
        "group": [model["name"] for model in models if model["tied_with_best"]],
        "method": _method(meta, resamples, params, draws),
        "bootstrap_draws": draws,
        "pairwise": pairs,
    }


def table(board: dict[str, Any]) -> pl.DataFrame:
    """Return the leaderboard as a table, a row a model."""
    rows = []
    for model in board["models"]:
        row = {key: model[key] for key in ("rank", "name", "tied_with_best", "p_adjusted_vs_best")}
        for metric, value in model["metrics"].items():
            row |= {metric: value["value"]}
            row |= {f"{metric}_{side}": value[side] for side in ("low", "high")}
        for metric, summary in model["resamples"].items():
            row |= {f"{metric}_resamples_{key}": summary[key] for key in ("mean", "std", "n")}
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def _shared(resamples: dict[str, Scores], names: list[str], metric: str) -> np.ndarray:
    """Return a metric of models on the resamples that all of them have, (model, resample)."""
    by_index = [
        {
            index: value
            for index, value in zip(
                resamples[name]["resamples"], resamples[name]["scores"][metric], strict=True
            )
            if value is not None
        }
        for name in names
    ]
    common = sorted(set.intersection(*(set(found) for found in by_index)))
    return np.array([[found[index] for index in common] for found in by_index])


def _order(
    values: dict[str, Any], resamples: dict[str, Scores], primary: str, greater: bool
) -> list[str]:
    """Return the names, best first; those without resamples last, by their judged value."""
    sign = -1 if greater else 1
    having = [name for name in values if name in resamples]
    without = [name for name in values if name not in resamples]
    if having:
        shared = _shared(resamples, having, primary)
        if shared.shape[1]:
            means = dict(zip(having, sign * shared.mean(axis=1), strict=True))
            having.sort(key=lambda name: (means[name], name))
    without.sort(key=lambda name: (sign * (values[name][primary]["value"] or 0), name))
    return having + without


def _pairwise(
    order: list[str], resamples: dict[str, Scores], primary: str, confidence: float
) -> list[dict[str, Any]]:
    """Return every pair, the better first: difference a - b of the primary metric, its test."""
    pairs = []
    for a, b in itertools.combinations(order, 2):
        found = Difference(float("nan"), float("nan"), float("nan"), float("nan"))
        count = 0
        if a in resamples and b in resamples:
            shared = _shared(resamples, [a, b], primary)
            count = shared.shape[1]
            if count >= 2:
                ratio = resamples[a]["n_test"] / resamples[a]["n_train"]
                found = corrected_t(shared[0] - shared[1], ratio, confidence)
        pairs.append(
            {
                "a": a,
                "b": b,
                "difference": _number(found.mean),
                "low": _number(found.low),
                "high": _number(found.high),
                "p": _number(found.p),
                "p_adjusted": None,
                "resamples": count,
            }
        )
    return pairs


def _tied(
    name: str, best: str, adjusted: dict[str, float], resamples: dict[str, Scores], alpha: float
) -> bool:
    if name == best:
        return True
    if name in adjusted:
        return adjusted[name] > alpha
    return name in resamples and best in resamples  # too few in common to show a difference


def _behind(gap: dict[str, float | None], greater: bool) -> bool:
    """Return whether all of a model's interval lies on the bad side of the best."""
    low, high = gap["low"], gap["high"]
    if low is None or high is None:
        return False
    return high < 0 if greater else low > 0


def _summary(scores: Scores | None) -> dict[str, Any]:
    found = {}
    for metric, values in (scores or {"scores": {}})["scores"].items():
        defined = np.array([value for value in values if value is not None])
        found[metric] = {
            "mean": _number(defined.mean()) if len(defined) else None,
            "std": _number(defined.std(ddof=1)) if len(defined) > 1 else None,
            "n": len(defined),
        }
    return found


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _method(meta: Meta, resamples: dict[str, Scores], params: Params, draws: dict[str, int]) -> str:
    counts = sorted({scores["repeats"] for scores in resamples.values()})
    fewer = sorted({count for count in draws.values() if count < params.bootstrap})
    few = f" ({', '.join(m for m in draws if draws[m] in fewer)}: {fewer[0]})" if fewer else ""
    how = "BCa", "rows taken as independent"
    if meta.sequence:
        how = "percentile", f"origins drawn in blocks of {meta.sequence.block}"
    resampled = " to ".join(str(c) for c in counts[:: max(len(counts) - 1, 1)])
    return (
        f"order and ties: {resampled} resamples of the training part (split {meta.split['name']}), "
        "corrected resampled t-test (Nadeau & Bengio 2003) against the best, Holm's correction, "
        f"level {1 - params.confidence:.3g}; a model "
        "with fewer resamples is compared on the common ones; one that the rows of "
        f"{meta.judged} show behind the best is not tied (paired bootstrap, Bonferroni). "
        "Intervals: "
        f"{params.confidence:.0%}, {how[0]} bootstrap of the rows of {meta.judged}, "
        f"{params.bootstrap} draws{few}, {how[1]}."
    )
