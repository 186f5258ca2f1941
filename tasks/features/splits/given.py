"""The parts as a column of role `split` gives them: `train`, and `val` or `test` or both.

Inside the training part (resamples, early stopping) rows go by time, by group, by class or at
random, whichever the columns call for first.
"""

from types import ModuleType

import numpy as np
import polars as pl

from tasks.core.errors import DataError
from tasks.core.plugins import PluginParams
from tasks.core.schema import Table, by_role
from tasks.features.splits import at_random, by_group, by_time, stratified

PARTS = ("train", "val", "test")


class Params(PluginParams):
    """None."""


def parts(frame: pl.DataFrame, spec: Table, params: Params, seed: int) -> dict[str, np.ndarray]:
    """Return the positions of the rows of each part, in table order.

    Raises:
        DataError: no column of role split, other values in it, or no rows to train or to judge on.
    """
    names = by_role(spec.columns, "split")
    if not names:
        raise DataError("split given: no column has the role `split`; give it to one of them")
    values = frame[names[0]].cast(pl.String)
    others = values.filter(~values.is_in(PARTS) | values.is_null())
    if len(others):
        shown = ", ".join(repr(v) for v in others.unique().sort().to_list()[:5])
        raise DataError(
            f"column {names[0]!r} (role split): {len(others)} rows have other values than train, "
            f"val and test: {shown}. Rename them, or give the column another role."
        )
    found = {part: np.flatnonzero((values == part).to_numpy()) for part in PARTS}
    found = {part: rows for part, rows in found.items() if len(rows)}
    if "train" not in found or len(found) < 2:
        raise DataError(
            f"column {names[0]!r} (role split): rows of `train`, and of `val` or `test`, are "
            f"needed; found only {', '.join(found) or 'none'}"
        )
    return found


def inner(spec: Table) -> ModuleType:
    """Return the split that holds inside the training part."""
    if by_role(spec.columns, "time"):
        return by_time
    if by_role(spec.columns, "group"):
        return by_group
    return stratified if spec.task == "classification" else at_random


def resamples(
    frame: pl.DataFrame, spec: Table, params: Params, count: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return `count` pairs (training rows, test rows) of the inner split."""
    module = inner(spec)
    return module.resamples(frame, spec, module.Params(), count, seed)


def stop(frame: pl.DataFrame, spec: Table, params: Params, share: float, seed: int) -> np.ndarray:
    """Return the mask of rows for early stopping, (n,) bool, of the inner split."""
    module = inner(spec)
    return module.stop(frame, spec, module.Params(), share, seed)


def note(frame: pl.DataFrame, spec: Table, params: Params) -> str:
    """Return the split in words."""
    return f"as the column {by_role(spec.columns, 'split')[0]} gives it"
