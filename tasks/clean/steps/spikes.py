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
from tasks.clean.series import Duration, Measured, clock, groups, in_order, length, measured
from tasks.core.errors import ParamsError
from tasks.core.schema import ROW, Columns

SCOPE = "group"
ONCE = True  # without the first spikes, smaller ones stand out
MAD_TO_SIGMA = 1.4826  # of a normal distribution
CALM = "1d"  # the longer window


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
    spikes = _spikes(frame, names, columns, params)
    changed = [pl.when(~spike).then(pl.col(name)).alias(name) for name, spike in spikes.items()]
    return frame.with_columns(changed), columns


def findings(
    before: pl.DataFrame, after: pl.DataFrame, columns: Columns, params: Params
) -> list[Finding]:
    """Return how many spikes each column has."""
    names = measured(before.lazy(), columns, params, "spikes")
    if params.action == "missing":
        return emptied("spike", before, after, names, by_value=False)
    marks = before.select(ROW, **_spikes(before.lazy(), names, columns, params))
    return [
        finding("spike (stays)", n, "", marks[n].sum(), marks.filter(pl.col(n))[ROW].min())
        for n in names
        if marks[n].any()
    ]


def _spikes(
    frame: pl.LazyFrame, names: list[str], columns: Columns, params: Params
) -> dict[str, pl.Expr]:
    """Return for each column whether a value is a spike."""
    time, keys = clock(columns, frame, "spikes"), groups(columns)
    rows = _rows(frame, keys, time, params) if params.centred else 0
    within = in_order(frame, keys, time)
    return {
        name: within(_spike(pl.col(name), time, params, rows)).fill_null(False) for name in names
    }


def _spike(value: pl.Expr, time: str, params: Params, rows: int) -> pl.Expr:
    def middle(values: pl.Expr, window: str) -> pl.Expr:
        if rows and window == params.window:
            return values.rolling_median(rows, min_samples=3, center=True)
        return values.rolling_median_by(time, window, min_samples=3)

    away = (value - middle(value, params.window)).abs()
    spread = pl.max_horizontal(middle(away, params.window), middle(away, CALM))
    out = (away > params.threshold * MAD_TO_SIGMA * spread) & (spread > 0)
    out = out.fill_null(False)
    place = pl.int_range(pl.len())
    calm = pl.when(~out).then(place).forward_fill().fill_null(-1)
    return out & (place - calm <= params.most)


def _rows(frame: pl.LazyFrame, keys: list[str], time: str, params: Params) -> int:
    """Return how many rows a window around a value has, by the usual step of the series.

    Raises:
        ParamsError: fewer than three.
    """
    steps = frame.sort(*keys, time).select(pl.col(time).diff().alias("step"))
    usual = steps.filter(pl.col("step") > pl.duration()).select(pl.median("step")).collect().item()
    if usual is None:
        return 3
    rows = int(length(params.window) / usual) // 2 * 2 + 1
    if rows < 3:
        raise ParamsError(
            f"clean.steps.spikes.window: {params.window} is less than three steps of {usual}"
        )
    return rows
