"""Makes missing what a sensor repeats for too long, where it usually changes.

A value counts as stuck once it has not changed for longer than `longest`; until then it may be
true. 0 is never stuck unless wanted: rain, light and power are 0 for days. Not for states (doors,
occupancy), set points and counters, which hold by nature.
"""

import polars as pl
from pydantic import Field

from tasks.clean.findings import Finding, emptied, finding
from tasks.clean.series import Duration, Measured, clock, groups, in_order, length, measured
from tasks.core.schema import ROW, Columns

SCOPE = "group"
ONCE = True  # what is left of a run is shorter, but so is what is known before it
ENOUGH = 20  # values before a run, to know how a series usually behaves


class Params(Measured):
    """`longest`: how long a value may stay the same."""

    longest: Duration = "6h"
    usual: float = Field(
        default=0.2, gt=0, le=1, description="share of values that differed from the one before"
    )
    zeros: bool = Field(default=False, description="0 may be stuck too")
    whole: bool = Field(
        default=False, description="the run from its first value on; only later rows tell that"
    )


def looks_ahead(params: Params) -> str:
    """Return why, where a run is taken out from its first value on."""
    return "that a value is stuck shows later (`whole: true`)" if params.whole else ""


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with stuck values made missing."""
    time, keys = clock(columns, frame, "stuck"), groups(columns)
    within, changed = in_order(frame, keys, time), []
    for name in measured(frame, columns, params, "stuck"):
        gone = within(_stuck(pl.col(name), time, params))
        changed.append(pl.when(~gone.fill_null(False)).then(pl.col(name)).alias(name))
    return frame.with_columns(changed), columns


def findings(
    before: pl.DataFrame, after: pl.DataFrame, columns: Columns, params: Params
) -> list[Finding]:
    """Return how many values were stuck, and series that never change."""
    names = measured(before.lazy(), columns, params, "stuck")
    found = emptied("stuck", before, after, names, by_value=True)
    keys = groups(columns)
    for name in names:
        of = before.lazy().group_by(keys) if keys else before.lazy().group_by(pl.lit(0))
        still = of.agg(
            n=pl.col(name).count(), kinds=pl.col(name).drop_nulls().n_unique(), row=pl.min(ROW)
        ).filter((pl.col("kinds") == 1) & (pl.col("n") > ENOUGH))
        rows = still.collect()
        if rows.height:
            found.append(
                finding("never changes (stays)", name, "", rows["n"].sum(), rows["row"].min())
            )
    return found


def _stuck(value: pl.Expr, time: str, params: Params) -> pl.Expr:
    """Return whether a value is stuck, from its past alone, in a series in the order of time."""
    there = value.is_not_null()
    change = there & value.ne_missing(value.forward_fill().shift(1))
    since = pl.when(change).then(pl.col(time)).forward_fill()
    begun = pl.when(change).then(there.cum_sum()).forward_fill()  # values when the run began
    often = (change.cum_sum() >= params.usual * begun) & (begun > ENOUGH)
    gone = there & often & (pl.col(time) - since > length(params.longest))
    if not params.zeros:
        gone = gone & (value != 0)
    if params.whole:
        run = change.cum_sum()
        gone = there & (pl.when(gone).then(run).backward_fill() == run)
    return gone
