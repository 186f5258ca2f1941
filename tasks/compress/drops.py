"""What a variant loses against its parent, and how sure that is."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from tasks.core import draws, scoring
from tasks.core.plugins import Plugin
from tasks.core.prepared import Meta, Prepared

CONFIDENCE = 0.95  # of the one-sided bounds
DRAWS = 2000
LEAST_ROWS = 30  # of a slice
MOST_VALUES = 20  # of a column whose values are slices
PARTS = 4  # that a column of numbers is cut into


class Measure(NamedTuple):
    """A metric by its name, as it is used on the data."""

    name: str
    module: scoring.Metric


Metrics = Sequence[Measure | Plugin]


def drops(
    y: np.ndarray, before: np.ndarray, after: np.ndarray, metrics: Metrics, seed: int
) -> dict[str, dict[str, Any]]:
    """Return for each metric {value, bound, method}: how much worse, and at most how much (95 %).

    Positive is worse. Accuracy: Tango's interval of paired shares; else a paired bootstrap. The
    bound is one-sided, and never better than the value.
    """
    found = {}
    for metric in metrics:
        module = metric.module
        sign = -1 if module.GREATER_IS_BETTER else 1
        value = sign * (module.score(y, after) - module.score(y, before)) + 0.0  # no -0.0
        if metric.name == "accuracy":
            right = [module.rows(y, p)[:, 0] == 1 for p in (before, after)]
            lost, won = int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())
            stated = {"bound": tango(lost, won, len(y)), "method": "Tango"}
            stated |= {"lost": lost, "won": won, "p": mcnemar(lost, won)}
        else:
            apart = draws.gaps(module, y, {"before": before, "after": after}, "before", DRAWS, seed)
            gaps = sign * apart["after"]
            bound = float(np.quantile(gaps, CONFIDENCE)) if len(gaps) else np.nan
            stated = {"bound": bound, "method": "paired bootstrap"}
        if np.isfinite(value) and np.isfinite(stated["bound"]):
            found[metric.name] = {"value": float(value), **stated}
            found[metric.name]["bound"] = max(float(value), stated["bound"])
    return found


def bounds(y: np.ndarray, prediction: np.ndarray, metrics: Metrics, seed: int) -> dict[str, float]:
    """Return for each metric how bad it may be for more rows like these: one-sided, 95 %.

    Accuracy: Clopper & Pearson 1934, exact; else a bootstrap. Never better than the value.
    """
    found = {}
    for metric in metrics:
        module = metric.module
        value, greater = float(module.score(y, prediction)), module.GREATER_IS_BETTER
        if metric.name == "accuracy":
            bound = clopper_pearson(round(value * len(y)), len(y))
        else:
            drawn = draws.values(module, y, {"": prediction}, DRAWS, seed)[""]
            drawn = drawn[np.isfinite(drawn)]
            share = 1 - CONFIDENCE if greater else CONFIDENCE
            bound = float(np.quantile(drawn, share)) if len(drawn) else np.nan
        if np.isfinite(value) and np.isfinite(bound):
            found[metric.name] = min(value, bound) if greater else max(value, bound)
    return found


def mcnemar(lost: int, won: int) -> float:
    """Return the exact two-sided p-value of as many rows lost as won (McNemar 1947)."""
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(lost, won), lost + won, 0.5)))


def clopper_pearson(right: int, rows: int, confidence: float = CONFIDENCE) -> float:
    """Return the exact lower bound of a share (Clopper & Pearson 1934)."""
    from scipy.special import betaincinv

    return float(betaincinv(right, rows - right + 1, 1 - confidence)) if right else 0.0


def tango(lost: int, won: int, rows: int, confidence: float = CONFIDENCE) -> float:
    """Return the upper bound of the share lost less the share won.

    Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design", Statistics in Medicine 17: the largest difference that a score test does
    not reject. Above 0 also where nothing was lost: more rows might have shown it.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtri

    z = float(ndtri(confidence))

    def score(difference: float) -> float:
        a = 2 * rows
        b = -lost - won + (2 * rows - lost + won) * difference
        c = -won * difference * (1 - difference)
        share = (np.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
        spread = rows * (2 * share + difference * (1 - difference))
        return (lost - won - rows * difference) / np.sqrt(max(spread, 1e-300)) + z

    found = (lost - won) / rows
    if found >= 1:
        return 1.0
    return float(cast("float", brentq(score, found + 1e-12, 1 - 1e-12)))


def slices(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the rows (a mask) of each slice that columns make: values of few, parts of numbers."""
    found = {}
    for name, values in columns.items():
        if values.dtype.kind in "fiu" and len(np.unique(values)) > MOST_VALUES:
            edges = np.nanquantile(values, np.linspace(0, 1, PARTS + 1))
            for low, high in itertools.pairwise(edges):
                last = high == edges[-1]
                rows = (values >= low) & ((values <= high) if last else (values < high))
                found[f"{name} {low:.4g} to {high:.4g}"] = rows
            continue
        words = values.astype(str)
        present = np.unique(words)
        if len(present) <= MOST_VALUES:
            found |= {f"{name} = {v}": words == v for v in present}
    return {name: rows for name, rows in found.items() if rows.sum() >= LEAST_ROWS}


def worst_slice(
    y: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    metric: Measure | Plugin,
    parts: dict[str, np.ndarray],
) -> dict[str, Any] | None:
    """Return the slice that loses most by a metric; None where there is none large enough.

    The largest of many differences is no evidence by itself: `of` says of how many.
    """
    module = metric.module
    sign = -1 if module.GREATER_IS_BETTER else 1
    found: dict[str, Any] | None = None
    for name, rows in parts.items():
        old, new = (float(module.score(y[rows], p[rows])) for p in (before, after))
        drop = sign * (new - old) + 0.0
        if np.isfinite(drop) and (found is None or drop > found["drop"]):
            found = {"slice": name, "rows": int(rows.sum()), "before": old, "after": new}
            found |= {"drop": drop, "metric": metric.name, "of": len(parts)}
    return found


def bounds_of(data: Prepared, prediction: np.ndarray, metrics: list[Plugin]) -> dict[str, float]:
    """Return the `bounds` of a prediction of the judged rows."""
    meta = data.meta
    given = scoring.plain(meta.task, prediction)
    return bounds(data.y(meta.judged), given, _own(metrics, meta), seed=0)


def losses(
    data: Prepared, before: np.ndarray, after: np.ndarray, metrics: list[Plugin]
) -> dict[str, Any]:
    """Return what predictions lose against the parent's, in all and on the worst slice."""
    meta, y = data.meta, data.y(data.meta.judged)
    old, new = (scoring.plain(meta.task, p) for p in (before, after))
    own, decides = _own(metrics, meta), measure(usual(metrics, meta), meta)
    columns = {n: v.ravel() for n, v in data.feed(meta.judged).items() if v[0].size == 1}
    if meta.classes:
        columns[meta.target] = np.array(meta.classes)[y]
    return {
        "drops": drops(y, old, new, own, seed=0),
        "worst_slice": worst_slice(y, old, new, decides, slices(columns)),
    }


def usual(metrics: list[Plugin], meta: Meta) -> Plugin:
    """Return the metric that usually decides for the task."""
    own = [m for m in metrics if meta.task == m.module.TASK]
    return next((m for m in own if m.name == scoring.PRIMARY[meta.task]), own[0])


def measure(metric: Plugin, meta: Meta) -> Measure:
    """Return a metric as it is used on the data."""
    return Measure(metric.name, scoring.bound(metric.module, meta.sequence))


def _own(metrics: list[Plugin], meta: Meta) -> list[Measure]:
    """Return the metrics of the task."""
    return [measure(m, meta) for m in metrics if meta.task == m.module.TASK]
