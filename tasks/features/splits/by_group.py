"""Whole groups: none of the test part has been seen in training. Needs a column of role `group`."""

import numpy as np
import polars as pl
from pydantic import Field

from tasks.core.errors import DataError
from tasks.core.plugins import PluginParams
from tasks.core.schema import Table, by_role
from tasks.features import grouping


class Params(PluginParams):
    """Size of the test part, and the folds of a repeat."""

    test_share: float = Field(default=0.2, gt=0, lt=1)
    folds: int = Field(default=5, ge=2, le=50, description="resamples are repeats of this k-fold")


def parts(frame: pl.DataFrame, spec: Table, params: Params, seed: int) -> dict[str, np.ndarray]:
    """Return the positions of the rows of each part, in table order.

    Raises:
        DataError: no column of role group, or fewer than 3 groups.
    """
    keys = _keys(frame, spec)
    what = ", ".join(by_role(spec.columns, "group"))
    mask = grouping.test_mask(keys, params.test_share, seed, what)
    return {"train": np.flatnonzero(~mask), "test": np.flatnonzero(mask)}


def resamples(
    frame: pl.DataFrame, spec: Table, params: Params, count: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return `count` pairs (training rows, test rows): k-fold over groups, repeated."""
    return grouping.folds(_keys(frame, spec), count, params.folds, seed)


def stop(frame: pl.DataFrame, spec: Table, params: Params, share: float, seed: int) -> np.ndarray:
    """Return the mask of rows for early stopping, (n,) bool: whole groups where there are two."""
    return grouping.stop_mask(_keys(frame, spec), share, seed)


def note(frame: pl.DataFrame, spec: Table, params: Params) -> str:
    """Return the split in words."""
    groups = int(_keys(frame, spec).max()) + 1
    return (
        f"whole groups of {', '.join(by_role(spec.columns, 'group'))} ({groups} groups), "
        f"about {params.test_share:.0%} of the rows for test"
    )


def _keys(frame: pl.DataFrame, spec: Table) -> np.ndarray:
    names = by_role(spec.columns, "group")
    if not names:
        raise DataError("split by_group: no column has the role `group`; give it to one of them")
    return grouping.keys_of(frame, names)
