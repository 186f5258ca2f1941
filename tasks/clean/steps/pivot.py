"""Makes a long table wide: each sensor's values become columns of their own, on one grid of times.

A row of the grid has the last value of each sensor's column at or before its time, if it is not
older than `tolerance`: an as-of join a column, which uses the past alone. For one series out of
many sensors (a home, a person). Not where sensors are compared with each other: keep them as a
group.
"""

import polars as pl
from pydantic import Field

from tasks.clean.binning import in_order_of, numbered
from tasks.clean.series import Duration, clock, groups, length
from tasks.core.errors import ParamsError
from tasks.core.frames import require_columns
from tasks.core.plugins import PluginParams
from tasks.core.schema import Columns

MAKES_ROWS = True
MOST = 200  # columns; more is a mistake


class Params(PluginParams):
    """`by`: the column that tells sensors apart; `values`: of which columns (empty: numbers)."""

    by: str | None = Field(default=None, description="null: the table stays as it is")
    sensors: list[str] = Field(
        default=[], description="which, in this order, there or not; empty: all that there are"
    )
    values: list[str] = Field(default=[])
    every: Duration = "15m"
    tolerance: Duration | None = Field(default=None, description="null: as long as `every`")
    target: str | None = Field(
        default=None, description="the sensor whose target is the target, where that is a value"
    )


def looks(params: Params) -> bool:
    """Return whether values say which columns there will be."""
    return params.by is not None and not params.sensors


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return one row a time (and other series), with `<value>_<sensor>`.

    Raises:
        ParamsError: a column is unknown or no number, or the target's sensor is not said.
    """
    if params.by is None:
        return frame, columns
    require_columns("clean.steps.pivot", [params.by, *params.values], columns)
    time = clock(columns, frame, "pivot")
    keys = [key for key in groups(columns) if key != params.by]
    values = _values(frame, columns, params)
    levels = params.sensors or _levels(frame, params.by)
    targets = [name for name in values if columns[name].role == "target"]
    _check(levels, targets, values, params)
    rows = frame.filter(pl.col(time).is_not_null()).sort(time, maintain_order=True)
    made: Columns = {name: columns[name] for name in columns if name in (*keys, time)}
    wide = _grid(rows, keys, time, params.every)
    for level in levels:
        of_level = rows.filter(pl.col(params.by).cast(pl.String) == level)
        for name in values:
            is_target = name in targets and level == params.target
            new = name if is_target else (f"{name}_{level}" if len(values) > 1 else level)
            role = "target" if is_target else "feature"
            made[new] = columns[name].model_copy(update={"role": role, "nullable": True})
            wide = wide.join_asof(
                of_level.select(*keys, time, pl.col(name).alias(new)).drop_nulls(new),
                on=time,
                by=keys or None,
                tolerance=length(params.tolerance or params.every),
                check_sortedness=False,  # both sides are ordered by time
            )
    return numbered(wide.sort([*keys, time])), in_order_of(made, columns)


def _levels(frame: pl.LazyFrame, by: str) -> list[str]:
    """Return the sensors that there are, in the order of their column's type."""
    there = frame.select(pl.col(by).drop_nulls().unique().sort())
    return there.select(pl.col(by).cast(pl.String)).collect()[by].to_list()


def _values(frame: pl.LazyFrame, columns: Columns, params: Params) -> list[str]:
    schema = frame.collect_schema()
    fit = [
        name
        for name, column in columns.items()
        if column.role in ("feature", "target") and schema[name].is_numeric() and name != params.by
    ]
    if wrong := [name for name in params.values if name not in fit]:
        raise ParamsError(f"clean.steps.pivot.values: {', '.join(wrong)}: no numeric features")
    return params.values or fit


def _check(levels: list[str], targets: list[str], values: list[str], params: Params) -> None:
    problems = []
    if targets and params.target not in levels:
        problems.append(
            f"clean.steps.pivot.target: {targets[0]} is the target of every sensor; say whose is "
            f"to be predicted: one of {', '.join(levels[:20])}; found {params.target}"
        )
    if len(levels) * len(values) > MOST:
        problems.append(
            f"clean.steps.pivot: {len(levels)} sensors with {len(values)} values each are more "
            f"than {MOST} columns; choose `values`"
        )
    if problems:
        raise ParamsError("\n".join(problems))


def _grid(rows: pl.LazyFrame, keys: list[str], time: str, every: str) -> pl.LazyFrame:
    """Return the times of the grid, in order, from each series' first to its last."""
    first = pl.col(time).min().dt.truncate(every).alias(time)
    ends = [first, pl.col(time).max().alias("__end__")]
    spans = rows.group_by(keys).agg(ends) if keys else rows.select(ends).drop_nulls()
    grid = spans.with_columns(pl.datetime_ranges(time, "__end__", every)).drop("__end__")
    return grid.explode(time, empty_as_null=False, keep_nulls=False).sort(time, maintain_order=True)
