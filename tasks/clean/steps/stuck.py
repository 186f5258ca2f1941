"""Makes missing what a sensor repeats for too long, where it usually changes.

A value counts as stuck once it has not changed for longer than `longest`; until then it may be
true. Behind an outage longer than that it is a new one, whatever it was before. 0 is never stuck
unless wanted: rain, light and power are 0 for days. Not for states (doors, occupancy), set points
and counters, which hold by nature.
"""

from collections.abc import Callable, Sequence

import polars as pl
from pydantic import Field

from tasks.clean.findings import Finding, emptied, finding
from tasks.clean.series import Duration, Measured, clock, groups, in_order, length, measured
from tasks.core.schema import ROW, Columns

SCOPE = "group"
KEEPS_ROWS = True
ONCE = True  # what is left of a run is shorter, but so is what is known before it
MARK = "__stuck__"
AT_ONCE = 4  # columns, each with five of its own beside it
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
    names, kept = measured(frame, columns, params, "stuck"), frame.collect_schema().names()
    within = in_order(frame, keys, time)
    for begin in range(0, len(names), AT_ONCE):
        some = names[begin : begin + AT_ONCE]
        marked = _marked(frame, some, within, time, params)
        changed = [
            pl.when(~pl.col(f"{MARK}{name}").fill_null(False)).then(pl.col(name)).alias(name)
            for name in some
        ]
        frame = marked.with_columns(changed).select(kept)
    return frame, columns


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


def _marked(
    frame: pl.LazyFrame,
    names: Sequence[str],
    within: Callable[[pl.Expr], pl.Expr],
    time: str,
    params: Params,
) -> pl.LazyFrame:
    """Return the frame with a column `MARK`name beside each: whether its value is stuck, from its
    past alone.

    In stages: within `over`, Polars computes what stands twice in an expression twice.
    """
    change, run, marks = [], [], []
    for name in names:
        value, begins = pl.col(name), pl.col(f"__begins__{name}")
        there = value.is_not_null()
        last = pl.when(there).then(pl.col(time)).forward_fill().shift(1)
        anew = value.ne_missing(value.forward_fill().shift(1))
        anew = anew | (pl.col(time) - last > length(params.longest))  # an outage lies between
        change.append(within(there & anew).alias(f"__begins__{name}"))
        before = pl.when(begins).then(there.cum_sum())  # values when the run began
        for what, of in (
            ("since", pl.when(begins).then(pl.col(time)).forward_fill()),
            ("before", before.forward_fill()),
            ("runs", begins.cum_sum()),
        ):
            run.append(within(of).alias(f"__{what}__{name}"))
        since, had, runs = (pl.col(f"__{what}__{name}") for what in ("since", "before", "runs"))
        often = (runs >= params.usual * had) & (had > ENOUGH)
        stuck = there & often & (pl.col(time) - since > length(params.longest))
        marks.append((stuck if params.zeros else stuck & (value != 0)).alias(f"{MARK}{name}"))
    marked = frame.with_columns(change).with_columns(run).with_columns(marks)
    if not params.whole:
        return marked
    return marked.with_columns(
        within(
            pl.when(pl.col(f"{MARK}{n}")).then(pl.col(f"__runs__{n}")).backward_fill()
            == pl.col(f"__runs__{n}")
        ).alias(f"{MARK}{n}")
        & pl.col(n).is_not_null()
        for n in names
    )
