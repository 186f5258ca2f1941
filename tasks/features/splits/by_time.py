"""Rows in order of the time column: the last ones are judged. Rows of equal time stay together.

Where a row's target reaches into the future (a forecast), rows that would know of what follows the
cut are left out in front of it (`embargo_s`); de Prado 2018, "Advances in Financial Machine
Learning", chapter 7.
"""

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
    embargo_s: float = Field(
        default=0,
        ge=0,
        description="seconds before a cut that are left out; forecasts: the horizon",
    )


def parts(frame: pl.DataFrame, spec: Table, params: Params, seed: int) -> dict[str, np.ndarray]:
    """Return the positions of the rows of each part, in order of time.

    Raises:
        DataError: no column of role time, missing times, or all times equal.
    """
    order, times = _order(frame, spec)
    cut = _cut(times, 1 - params.test_share)
    return {"train": _before(frame, spec, order, cut, params), "test": order[cut:]}


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
    pairs = [
        (_before(frame, spec, order, start, params), order[start:end])
        for start, end in pairwise(cuts)
    ]
    return [pair for pair in pairs if len(pair[0])]


def stop(frame: pl.DataFrame, spec: Table, params: Params, share: float, seed: int) -> np.ndarray:
    """Return the mask of rows for early stopping, (n,) bool: the last ones.

    With an embargo (n,) int8: 2 for the rows in front of them that it leaves out.
    """
    order, times = _order(frame, spec)
    mask = np.zeros(len(frame), bool)
    if times[0] == times[-1]:
        mask[order[-max(1, round(share * len(frame))) :]] = True
        return mask
    cut = _cut(times, 1 - share)
    mask[order[cut:]] = True
    if not params.embargo_s:
        return mask
    kept = np.full(len(frame), 2, np.int8)
    kept[_before(frame, spec, order, cut, params)] = 0
    kept[order[cut:]] = 1
    return kept


def _before(
    frame: pl.DataFrame, spec: Table, order: np.ndarray, cut: int, params: Params
) -> np.ndarray:
    """Return the rows in front of a cut, without those in the embargo; in order of time."""
    if not params.embargo_s:
        return order[:cut]
    times = frame[by_role(spec.columns, "time")[0]].dt.epoch("us").to_numpy() / 1e6
    return order[:cut][times[order[:cut]] + params.embargo_s < times[order[cut]]]


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
