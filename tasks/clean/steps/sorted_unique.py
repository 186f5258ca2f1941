"""Orders a sensor table by series and time, and leaves one row for each of those.

Rows that say the same again (overlapping exports) and rows that contradict each other at one time
are counted apart. Reports gaps, each series' step, and rows that came out of order. Not for tables
whose rows are events: two of them may happen at once.
"""

import re
from typing import Literal

import polars as pl
from pydantic import Field

from tasks.clean.binning import mean_direction
from tasks.clean.findings import Finding, finding
from tasks.clean.series import Known, clock, groups, ordered, over
from tasks.core.errors import DataError, ParamsError
from tasks.core.frames import require_columns
from tasks.core.plugins import PluginParams
from tasks.core.schema import ROW, Columns

SCOPE = "group"
REORDERS = True
DIRECTION = re.compile(r"wind_?dir|direction|azimuth|bearing|heading")
GAP = 1.5  # steps of a series; more than this lies between two rows


class Params(PluginParams):
    """`conflicts`: which of the rows that differ at one time of a series stays."""

    conflicts: Literal["first", "last", "mean", "error"] = Field(
        default="first",
        description="mean: of the numeric features; all else, and a direction by its name "
        "(winddir) that `circular` does not list, is the first's",
    )
    circular: list[str] = Field(
        default=[], description="directions in degrees, whose mean is that of their vectors"
    )


def looks(params: Params) -> bool:
    """Return whether contradictions are to be found before the rest is computed."""
    return params.conflicts == "error"


def leaves(params: Params) -> Known:
    """Return what is known of the rows behind it."""
    return Known(ordered=True)


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame in order, with one row a series and time; rows without a time are gone.

    Raises:
        DataError: rows contradict each other, where params make it an error.
        ParamsError: a column of `circular` is unknown or no number.
    """
    time = clock(columns, frame, "sorted_unique")
    require_columns("clean.steps.sorted_unique.circular", params.circular, columns)
    by = [*groups(columns), time]
    rows = ordered(frame.filter(pl.col(time).is_not_null()), by[:-1], time)
    if params.conflicts == "error":
        _, conflicts = _doubles(frame.collect(), by)
        if conflicts.height:
            shown = ", ".join(str(row) for row in conflicts[ROW].head(10))
            raise DataError(
                f"clean.steps.sorted_unique: {conflicts.height} rows contradict an earlier one of "
                f"the same {' and '.join(by)}: rows {shown}. Correct the data, or choose "
                "`conflicts: first`, `last` or `mean`."
            )
    chosen = _differs(by) if params.conflicts != "last" else _differs(by, ahead=True)
    if params.conflicts != "mean":
        return rows.filter(chosen), columns
    means = _means(frame, columns, params)
    distinct = rows.unique(
        [n for n in frame.collect_schema().names() if n != ROW], keep="first", maintain_order=True
    )
    total = {name: mean.over(by) for name, mean in means.items()}
    made = {
        name: column.model_copy(update={"type": "float"}) if name in means else column
        for name, column in columns.items()
    }
    return distinct.with_columns(**total).filter(_differs(by)), made


def findings(
    before: pl.DataFrame, after: pl.DataFrame, columns: Columns, params: Params
) -> list[Finding]:
    """Return repeats, contradictions, rows without a time or out of order, and gaps."""
    time, keys = clock(columns, before.lazy(), "sorted_unique"), groups(columns)
    same, conflicts = _doubles(before, [*keys, time])
    late = pl.col(time) < over(pl.col(time).cum_max(), keys)
    found = [
        finding(what, time, detail, rows.height, rows[ROW].min())
        for what, detail, rows in (
            ("row repeats an earlier one", "removed", same),
            ("row contradicts an earlier one", f"{params.conflicts} taken", conflicts),
            ("no time", "removed", before.filter(pl.col(time).is_null())),
            ("row came out of order", "sorted", before.filter(late)),
        )
        if rows.height
    ]
    return found + _gaps(after, keys, time)


def _means(frame: pl.LazyFrame, columns: Columns, params: Params) -> dict[str, pl.Expr]:
    """Return the mean of each column that is averaged where rows contradict each other."""
    schema = frame.collect_schema()
    if wrong := [n for n in params.circular if not schema[n].is_numeric()]:
        raise ParamsError(f"clean.steps.sorted_unique.circular: {', '.join(wrong)}: no numbers")
    found = {}
    for name, column in columns.items():
        if column.role != "feature" or not schema[name].is_numeric():
            continue
        if name in params.circular:
            found[name] = mean_direction(pl.col(name))
        elif not DIRECTION.search(name.lower()):
            found[name] = pl.col(name).cast(pl.Float64).mean()
    return found


def _differs(by: list[str], ahead: bool = False) -> pl.Expr:
    """Return whether a row of an ordered table is the first, or the last, of its time."""
    beside = -1 if ahead else 1
    edge = pl.int_range(pl.len()) == (pl.len() - 1 if ahead else 0)
    return edge | pl.any_horizontal(pl.col(n).ne_missing(pl.col(n).shift(beside)) for n in by)


def _doubles(frame: pl.DataFrame, by: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that repeat an earlier one of their time, and those that contradict it."""
    frame = frame.filter(pl.col(by[-1]).is_not_null())
    several = frame.filter(pl.struct(by).is_duplicated())
    names = [name for name in frame.columns if name != ROW]
    distinct = several.unique(subset=names, keep="first", maintain_order=True)
    first = distinct.unique(subset=by, keep="first", maintain_order=True)
    return _without(several, distinct), _without(distinct, first)


def _without(frame: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that others do not have; an anti join of images in several chunks fails."""
    return frame.filter(~pl.col(ROW).is_in(others[ROW].implode()))


def _gaps(frame: pl.DataFrame, keys: list[str], time: str) -> list[Finding]:
    """Return an entry a series with gaps: how many, the step, the longest and when it began."""
    if frame.height < 3:
        return []
    steps = frame.select(ROW, *keys, time, step=over(pl.col(time).diff(), keys)).drop_nulls("step")
    usual = over(pl.col("step").quantile(0.25, "lower"), keys)
    gaps = steps.with_columns(usual=usual).filter(pl.col("step") > GAP * pl.col("usual"))
    if gaps.is_empty():
        return []
    longest = pl.col("step").arg_max()
    of = gaps.group_by(keys, maintain_order=True) if keys else gaps.group_by(pl.lit(0).alias("_"))
    found = []
    for row in of.agg(
        pl.len().alias("n"),
        pl.col("usual").first(),
        pl.col("step").max(),
        pl.col(ROW).min(),
        pl.col(time).get(longest).alias("end"),
    ).iter_rows(named=True):
        whose = f"{', '.join(str(row[k]) for k in keys)}: " if keys else ""
        detail = f"{whose}step {row['usual']}, the longest {row['step']} to {row['end']}"
        found.append(finding("gap", time, detail, row["n"], row[ROW]))
    return found
