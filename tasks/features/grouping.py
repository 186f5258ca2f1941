"""Splits that keep groups of rows whole: groups dealt into parts and folds of about equal size."""

import numpy as np
import polars as pl

from tasks.core.errors import DataError


def keys_of(frame: pl.DataFrame, columns: list[str]) -> np.ndarray:
    """Return the group of each row, (n,) int64 from 0; missing values are a group too."""
    return frame.select(pl.struct(columns).rank("dense").cast(pl.Int64) - 1).to_series().to_numpy()


def test_mask(keys: np.ndarray, share: float, seed: int, what: str) -> np.ndarray:
    """Return a mask of whole groups that hold about `share` of the rows, (n,) bool.

    Raises:
        DataError: there are fewer than 3 groups.
    """
    sizes = np.bincount(keys)
    if len(sizes) < 3:
        raise DataError(
            f"split by {what}: at least 3 groups are needed, found {len(sizes)}; "
            "choose another split (features.split.name)"
        )
    goal, taken, rows = share * len(keys), [], 0
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        if len(taken) < len(sizes) - 2 and abs(rows + sizes[group] - goal) < abs(rows - goal):
            taken.append(group)
            rows += sizes[group]
    if not taken:
        taken.append(int(sizes.argmin()))
    return np.isin(keys, taken)


def folds(
    keys: np.ndarray, count: int, folds: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return `count` pairs (training rows, test rows): k-fold over groups, repeated.

    Groups in random order, each to the fold that has the fewest rows so far.
    """
    sizes = np.bincount(keys)
    k = min(folds, len(sizes))
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    for repeat in range(-(-count // k)):
        order = np.random.default_rng([seed, repeat]).permutation(len(sizes))
        if len(order) <= 2 * k:  # few: the large ones first, for folds of about equal size
            order = order[np.argsort(-sizes[order], kind="stable")]
        rows, fold_of = np.zeros(k, int), np.zeros(len(sizes), int)
        for group in order:
            fold_of[group] = rows.argmin()
            rows[fold_of[group]] += sizes[group]
        row_fold = fold_of[keys]
        pairs += [(np.flatnonzero(row_fold != f), np.flatnonzero(row_fold == f)) for f in range(k)]
    return pairs[:count]


def stop_mask(keys: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Return a mask of whole groups for early stopping; with a single group, of rows of it."""
    if len(np.bincount(keys)) < 2:
        mask = np.zeros(len(keys), bool)
        size = max(1, round(share * len(keys)))
        mask[np.random.default_rng(seed).permutation(len(keys))[:size]] = True
        return mask
    sizes = np.bincount(keys)
    goal, taken, rows = share * len(keys), [], 0
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        if len(taken) < len(sizes) - 1 and abs(rows + sizes[group] - goal) < abs(rows - goal):
            taken.append(group)
            rows += sizes[group]
    return np.isin(keys, taken or [int(sizes.argmin())])
