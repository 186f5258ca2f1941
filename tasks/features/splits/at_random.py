"""Rows at random; not where rows belong together (`by_group`) or follow each other (`by_time`)."""

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
    n = len(frame)
    order = np.random.default_rng(seed).permutation(n)
    size = min(max(1, round(params.test_share * n)), n - 1)
    return {"train": np.sort(order[size:]), "test": np.sort(order[:size])}


def resamples(
    frame: pl.DataFrame, spec: Table, params: Params, count: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return `count` pairs (training rows, test rows): repeated k-fold."""
    n = len(frame)
    k = min(params.folds, n)
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    for repeat in range(-(-count // k)):
        fold = np.empty(n, int)
        fold[np.random.default_rng([seed, repeat]).permutation(n)] = np.arange(n) % k
        pairs += [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(k)]
    return pairs[:count]


def stop(frame: pl.DataFrame, spec: Table, params: Params, share: float, seed: int) -> np.ndarray:
    """Return the mask of rows for early stopping, (n,) bool."""
    mask = np.zeros(len(frame), bool)
    size = max(1, round(share * len(frame)))
    mask[np.random.default_rng(seed).permutation(len(frame))[:size]] = True
    return mask


def note(frame: pl.DataFrame, spec: Table, params: Params) -> str:
    """Return the split in words."""
    return f"at random, {params.test_share:.0%} for test"
