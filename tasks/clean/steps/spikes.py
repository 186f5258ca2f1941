"""Makes single values missing that stand out of those around them: the Hampel filter.

A value is a spike if it lies further than `threshold` x 1.4826 x MAD from the running median
(Hampel 1974, The influence curve and its role in robust estimation; Pearson et al. 2016,
Generalized Hampel filters). The MAD is the running median of the distances from the running median,
of the window or of a day, whichever is larger: in a calm hour any change would stand out. Not for
what comes in bursts by nature: rain, light, power, particles while cooking.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from tasks.clean.findings import Finding, emptied, finding
from tasks.clean.series import Duration, Measured, clock, groups, in_order, length, measured, over
from tasks.core.schema import ROW, Columns

SCOPE = "group"
KEEPS_ROWS = True
ONCE = True  # without the first spikes, smaller ones stand out
MAD_TO_SIGMA = 1.4826  # of a normal distribution
CALM = "1d"  # the longer window
MARK = "__spike__"
ROWS = "__rows__"
LEAST = 3  # values of a window


class Params(Measured):
    """`window`: what a value is held against."""

    window: Duration = "1h"
    threshold: float = Field(default=6.0, ge=1, le=1000, description="in standard deviations")
    most: int = Field(
        default=3, ge=1, description="values in a row; more are a new level, and stay"
    )
    action: Literal["missing", "report"] = "missing"
    centred: bool = Field(
        default=False,
        description="the window lies around the value, not before it: better, but it looks ahead",
    )


def looks_ahead(params: Params) -> str:
    """Return why, where the window reaches beyond the value."""
    return "the window lies around the value (`centred: true`)" if params.centred else ""


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with spikes made missing."""
    names = measured(frame, columns, params, "spikes")
    if params.action == "report" or not names:
        return frame, columns
    kept = frame.collect_schema().names()
    marked = _marked(frame, names, columns, params)
    changed = [pl.when(~pl.col(f"{MARK}{name}")).then(pl.col(name)).alias(name) for name in names]
    return marked.with_columns(changed).select(kept), columns


def findings(
    before: pl.DataFrame, after: pl.DataFrame, columns: Columns, params: Params
) -> list[Finding]:
    """Return how many spikes each column has."""
    names, found = measured(before.lazy(), columns, params, "spikes"), []
    if params.centred:
        time, keys = clock(columns, before.lazy(), "spikes"), groups(columns)
        rows = _beside(before.lazy(), keys, _rows(before.lazy(), keys, time, params))
        if few := rows.select((pl.col(ROWS) < LEAST).sum()).collect().item():
            found = [finding("a window of less than three values", time, params.window, few)]
    if params.action == "missing":
        return found + emptied("spike", before, after, names, by_value=False)
    marked = _marked(before.lazy(), names, columns, params)
    marks = marked.select(ROW, *(pl.col(f"{MARK}{name}").alias(name) for name in names)).collect()
    return found + [
        finding("spike (stays)", n, "", marks[n].sum(), marks.filter(pl.col(n))[ROW].min())
        for n in names
        if marks[n].any()
    ]


def _marked(
    frame: pl.LazyFrame, names: list[str], columns: Columns, params: Params
) -> pl.LazyFrame:
    """Return the frame with a column `MARK`name beside each: whether its value is a spike.

    In three stages: within `over`, Polars computes what stands twice in an expression twice.
    """
    time, keys = clock(columns, frame, "spikes"), groups(columns)
    within, sizes = in_order(frame, keys, time), []
    if params.centred:
        rows = _rows(frame, keys, time, params)
        sizes = rows[ROWS].unique().sort().to_list()
        frame = _beside(frame, keys, rows)

    def middle(name: str, window: str) -> pl.Expr:
        if not params.centred or window == CALM:
            return pl.col(name).rolling_median_by(time, window, min_samples=LEAST)
        around = [
            pl.when(pl.col(ROWS) == n).then(
                pl.col(name).rolling_median(n, min_samples=LEAST, center=True)
            )
            for n in sizes
            if n >= LEAST
        ]
        return pl.coalesce(*around, pl.lit(None, pl.Float64))

    away, spread, marks = [], [], []
    for name in names:
        distance, usual, mark = f"__away__{name}", f"__spread__{name}", f"{MARK}{name}"
        away.append(within((pl.col(name) - middle(name, params.window)).abs()).alias(distance))
        windows = (middle(distance, window) for window in (params.window, CALM))
        spread.append(within(pl.max_horizontal(windows)).alias(usual))
        out = pl.col(distance) > params.threshold * MAD_TO_SIGMA * pl.col(usual)
        few = _few((out & (pl.col(usual) > 0)).fill_null(False), params.most)
        marks.append(within(few).fill_null(False).alias(mark))
    return frame.with_columns(away).with_columns(spread).with_columns(marks)


def _few(out: pl.Expr, most: int) -> pl.Expr:
    """Return what is out, where it is so for a few rows alone."""
    place = pl.int_range(pl.len())
    calm = pl.when(~out).then(place).forward_fill().fill_null(-1)
    return out & (place - calm <= most)


def _rows(frame: pl.LazyFrame, keys: list[str], time: str, params: Params) -> pl.DataFrame:
    """Return how many rows the window around a value has, by series, from its usual step."""
    ahead = over(pl.col(time).sort().diff(), keys)
    usual = pl.col("step").filter(pl.col("step") > pl.duration()).median()
    steps = frame.select(*keys, step=ahead)
    series = steps.group_by(keys).agg(usual) if keys else steps.select(usual)
    halves = (length(params.window) / pl.col("step") / 2).floor()
    return series.select(
        *keys, (halves * 2 + 1).cast(pl.Int64).fill_null(LEAST).alias(ROWS)
    ).collect()


def _beside(frame: pl.LazyFrame, keys: list[str], rows: pl.DataFrame) -> pl.LazyFrame:
    """Return the frame with what is known of each series beside its rows."""
    if not keys:
        return frame.with_columns(pl.lit(rows[ROWS].item()).alias(ROWS))
    return frame.join(rows.lazy(), on=keys, how="left", nulls_equal=True, maintain_order="left")
