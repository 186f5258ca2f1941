"""Which training rows are kept for early stopping: as the split has it, usable in any case."""

import numpy as np
import polars as pl

from tasks.core.plugins import Plugin
from tasks.core.schema import Table


def stop_mask(
    split: Plugin, frame: pl.DataFrame, spec: Table, share: float, seed: int
) -> np.ndarray:
    """Return which training rows are kept for early stopping, (n,): 1; never none, never all.

    A class that would have no row left to fit on gives none. 2: rows that are used for neither.
    """
    mask = split.module.stop(frame, spec, split.typed, share, seed)
    if spec.task == "forecast" and (mask == 0).any() and (mask == 1).any():
        return mask
    if spec.task == "classification":
        values = frame[spec.target]
        left = values.filter(~pl.Series(mask)).unique()
        mask = mask & values.is_in(left.implode()).to_numpy()
    if not mask.any() or mask.all():  # tiny or one-sided: any row, of a class that has another
        counts = frame.select(pl.len().over(spec.target)).to_series().to_numpy()
        mask = np.zeros(len(frame), bool)
        mask[np.flatnonzero(counts == counts.max())[-1]] = True
    return mask
