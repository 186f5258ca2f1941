"""Which columns alone tell the target: often something known only after it, a leak."""

import numpy as np
import polars as pl

from tasks.core.schema import Task, Type

ROWS = 5_000  # looked at
BINS = 100
NEARLY_ALL = 0.98
MIN_ROWS = 100  # below, a column of many values tells the target of few rows by chance


def telling(
    frame: pl.DataFrame, types: dict[str, Type], target: str, task: Task
) -> dict[str, float]:
    """Return the columns of `types` that alone tell nearly all of the target, and the share.

    Each column is cut into bins (numbers) or levels; half of the rows say what the target is there,
    the other half how right that is: the share of right answers beyond always saying the most
    frequent class, or of the variance of the target's ranks.
    """
    rows = frame.drop_nulls(target)
    if len(rows) < MIN_ROWS:
        return {}
    rows = rows.sample(min(len(rows), ROWS), shuffle=True, seed=0)
    half = len(rows) // 2
    y = rows[target].rank("dense" if task == "classification" else "average").to_numpy()
    found = {}
    for name, kind in types.items():
        if kind == "image":
            continue
        codes = _codes(rows[name])
        if codes.max() == 0:
            continue
        share = (_classes if task == "classification" else _amounts)(codes, y, half)
        if share >= NEARLY_ALL:
            found[name] = share
    return found


def _codes(values: pl.Series) -> np.ndarray:
    """Return the bin or level of each value, (n,) int64 from 0; missing ones are a level."""
    if not values.dtype.is_numeric() and not values.dtype.is_temporal():
        return values.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    ranks = values.rank("average").fill_null(0).to_numpy()
    levels = np.unique(ranks)
    if len(levels) > BINS:
        levels = np.unique(np.quantile(ranks, np.linspace(0, 1, BINS + 1)))
    return np.searchsorted(levels, ranks, side="right").astype(np.int64)


def _classes(codes: np.ndarray, y: np.ndarray, half: int) -> float:
    labels = y.astype(np.int64)
    counts = np.zeros((codes.max() + 1, labels.max() + 1))
    np.add.at(counts, (codes[:half], labels[:half]), 1)
    usual = counts.sum(axis=0).argmax()
    said = np.where(counts.sum(axis=1) > 0, counts.argmax(axis=1), usual)[codes[half:]]
    always = (labels[half:] == usual).mean()
    return float(((said == labels[half:]).mean() - always) / (1 - always)) if always < 1 else 0.0


def _amounts(codes: np.ndarray, y: np.ndarray, half: int) -> float:
    size = codes.max() + 1
    counts = np.bincount(codes[:half], minlength=size)
    sums = np.bincount(codes[:half], weights=y[:half], minlength=size)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), y[:half].mean())
    variance = float(y[half:].var())
    return 1 - float(((y[half:] - means[codes[half:]]) ** 2).mean()) / variance if variance else 0.0
