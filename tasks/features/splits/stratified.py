"""Rows at random, each class in each part by its share. A class's only row stays in training."""

import numpy as np
import polars as pl
from pydantic import Field

from tasks.core.plugins import PluginParams
from tasks.core.schema import Table


class Params(PluginParams):
    """Size of the test part, and the folds of a repeat."""

    test_share: float = Field(default=0.2, gt=0, lt=1)
    folds: int = Field(default=5, ge=2, le=50, description="resamples are repeats of this k-fold")


def parts(frame: pl.DataFrame, spec: Table, params: Params, seed: int) -> dict[str, np.ndarray]:
    """Return the positions of the rows of each part, in table order."""
    mask = _sampled(_keys(frame, spec), params.test_share, seed)
    return {"train": np.flatnonzero(~mask), "test": np.flatnonzero(mask)}


def resamples(
    frame: pl.DataFrame, spec: Table, params: Params, count: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return `count` pairs (training rows, test rows): repeated stratified k-fold.

    Every class is in every training set; a class's only row is in no test set.
    """
    keys = _keys(frame, spec)
    k = min(params.folds, len(keys))
    single = np.bincount(keys)[keys] == 1
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    for repeat in range(-(-count // k)):
        order = np.random.default_rng([seed, repeat]).permutation(len(keys))
        order = order[np.argsort(keys[order], kind="stable")]  # class by class, random within
        fold = np.empty(len(keys), int)
        fold[order] = np.arange(len(keys)) % k  # dealt out round by round, going on over classes
        fold[single] = -1
        pairs += [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(k)]
    return [pair for pair in pairs if len(pair[1])][:count]


def stop(frame: pl.DataFrame, spec: Table, params: Params, share: float, seed: int) -> np.ndarray:
    """Return the mask of rows for early stopping, (n,) bool; every class keeps a row to fit on."""
    return _sampled(_keys(frame, spec), share, seed)


def note(frame: pl.DataFrame, spec: Table, params: Params) -> str:
    """Return the split in words, with the classes too small for it."""
    counts = frame[spec.target].cast(pl.String).value_counts()
    low = counts.filter(pl.col("count") == 1)[spec.target].sort().to_list()
    words = f"at random by class, {params.test_share:.0%} for test"
    if low:
        shown = ", ".join(low[:5]) + (", ..." if len(low) > 5 else "")
        words += f"; {len(low)} classes have one row, which is in train: {shown}"
    return words


def _keys(frame: pl.DataFrame, spec: Table) -> np.ndarray:
    return (frame[spec.target].rank("dense").cast(pl.Int64) - 1).to_numpy()


def _sampled(keys: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Return a mask with about `share` of each class, at most all but one of its rows.

    Whole rows go to each class by its quota, the rest to the largest remainders, so that the total
    is right even where every class is small.
    """
    counts = np.bincount(keys)
    quota = counts * share
    sizes = np.floor(quota).astype(int)
    most = counts - 1
    total = min(max(1, round(share * len(keys))), int(most.sum()))
    for index in np.argsort(-(quota - sizes), kind="stable"):
        if sizes.sum() < total and sizes[index] < most[index]:
            sizes[index] += 1
    mask = np.zeros(len(keys), bool)
    order = np.random.default_rng(seed).permutation(len(keys))
    order = order[np.argsort(keys[order], kind="stable")]
    starts = np.cumsum(counts) - counts
    for start, size in zip(starts, np.minimum(sizes, most), strict=True):
        mask[order[start : start + size]] = True
    return mask
