"""Rows in order of the time column: the last ones are judged. Rows of equal time stay together."""

from itertools import pairwise

import numpy as np
import polars as pl
from pydantic import Field

from tasks.core.errors import DataError
from tasks.core.plugins import PluginParams
from tasks.core.schema import Table, by_role


class Params(PluginParams):
    """Size of the test part, and where the first resample starts."""

    test_share: float = Field(default=0.2, gt=0, lt=1)
    first_share: float = Field(
        default=0.4, gt=0, lt=1, description="share of the training rows before the first origin"
    )


def parts(frame: pl.DataFrame, spec: Table, params: Params, seed: int) -> dict[str, np.ndarray]:
    """Return the positions of the rows of each part, in order of time.

    Raises:
        DataError: no column of role time, missing times, or all times equal.
    """
    order, times = _order(frame, spec)
    cut = _cut(times, 1 - params.test_share)
    return {"train": order[:cut], "test": order[cut:]}


def resamples(
    frame: pl.DataFrame, spec: Table, params: Params, count: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return up to `count` pairs (training rows, test rows): a rolling origin, all before trains.

    Tashman 2000, "Out-of-sample tests of forecasting accuracy". Test windows follow each other and
    do not overlap; fewer pairs come where there are too few distinct times.
    """
    order, times = _order(frame, spec)
    shares = np.linspace(params.first_share, 1, count + 1)[:-1]
    cuts = [*sorted({_cut(times, float(share)) for share in shares}), len(order)]
    return [(order[:start], order[start:end]) for start, end in pairwise(cuts)]


def stop(frame: pl.DataFrame, spec: Table, params: Params, share: float, seed: int) -> np.ndarray:
    """Return the mask of rows for early stopping, (n,) bool: the last ones."""
    order, times = _order(frame, spec)
    mask = np.zeros(len(frame), bool)
    if times[0] == times[-1]:
        mask[order[-max(1, round(share * len(frame))) :]] = True
    else:
        mask[order[_cut(times, 1 - share) :]] = True
    return mask


def note(frame: pl.DataFrame, spec: Table, params: Params) -> str:
    """Return the split in words."""
    name = by_role(spec.columns, "time")[0]
    return f"by {name}: the last {params.test_share:.0%} of the rows for test"


def _order(frame: pl.DataFrame, spec: Table) -> tuple[np.ndarray, np.ndarray]:
    names = by_role(spec.columns, "time")
    if not names:
        raise DataError("split by_time: no column has the role `time`; give it to one of them")
    times = frame[names[0]]
    if missing := times.null_count():
        raise DataError(
            f"split by_time: {missing} rows have no {names[0]!r}; declare the column "
            "`nullable: false`, so that they go to quarantine"
        )
    ranks = times.rank("dense").to_numpy()
    order = np.argsort(ranks, kind="stable")
    return order, ranks[order]


def _cut(times: np.ndarray, share: float) -> int:
    """Return the place nearest to `share` of the rows where the time changes, never an end."""
    changes = np.flatnonzero(np.diff(times)) + 1
    if not len(changes):
        raise DataError("split by_time: all rows have the same time; choose another split")
    return int(changes[np.abs(changes - share * len(times)).argmin()])
