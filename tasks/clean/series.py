"""What the steps for sensor tables share: clock, groups, measured columns, durations, grids."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import polars as pl
from pydantic import AfterValidator, Field

from tasks.core.errors import DataError, ParamsError
from tasks.core.frames import require_columns
from tasks.core.plugins import PluginParams
from tasks.core.schema import Column, Columns, by_role

UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
UNITS |= {"w": "weeks"}
SERIES = "__series__"
_DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w)")


def length(text: str) -> timedelta:
    """Return a duration such as `90s`, `15m`, `6h`, `1d` or `2w`.

    Raises:
        ValueError: the text is none.
    """
    found = _DURATION.fullmatch(text)
    if not found or int(found[1]) == 0:
        raise ValueError(f"expected a duration such as 90s, 15m, 6h, 1d or 2w, found {text!r}")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def _duration(text: str) -> str:
    length(text)
    return text


def _zone(name: str) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(
            f"unknown time zone {name!r}; expected an IANA name such as Europe/Brussels"
        ) from None
    return name


Duration = Annotated[str, AfterValidator(_duration)]
Zone = Annotated[str, AfterValidator(_zone)]


class Measured(PluginParams):
    """Which columns a step works on."""

    columns: list[str] = Field(default=[], description="empty: every numeric feature")
    target: bool = Field(
        default=False,
        description="the target too: for a forecast, whose past is an input; the target of a "
        "regression stays as it was measured",
    )

    def takes(self, target: str) -> bool:
        """Return whether the step works on the target."""
        return self.target and (not self.columns or target in self.columns)


def measured(frame: pl.LazyFrame, columns: Columns, params: Measured, step: str) -> list[str]:
    """Return the numeric columns that a step works on, in table order.

    Raises:
        ParamsError: a column is unknown, no number, or has a role that is not to be changed.
    """
    where = f"clean.steps.{step}.columns"
    require_columns(where, params.columns, columns)
    schema = frame.collect_schema()
    roles = {"feature", "target"} if params.target else {"feature"}
    fit = [n for n, c in columns.items() if c.role in roles and schema[n].is_numeric()]
    if wrong := [name for name in params.columns if name not in fit]:
        said = ", ".join(f"{n} ({columns[n].role}, {schema[n]})" for n in wrong)
        raise ParamsError(
            f"{where}: {said}: expected numeric features (with `target: true`, the target)"
        )
    return [name for name in fit if not params.columns or name in params.columns]


def clock(columns: Columns, frame: pl.LazyFrame, step: str) -> str:
    """Return the name of the time column.

    Raises:
        ParamsError: there is none, several, or it does not hold dates and times.
    """
    times = by_role(columns, "time")
    if len(times) != 1:
        raise ParamsError(
            f"clean.steps.{step}: expected one column of role `time`, found "
            f"{', '.join(times) or 'none'}. Give it in `table.columns`, or make it by the step "
            "`clock`."
        )
    dtype = frame.collect_schema()[times[0]]
    if not isinstance(dtype, pl.Datetime):
        raise ParamsError(
            f"clean.steps.{step}: time column {times[0]!r} is {dtype}, expected dates and times; "
            "the step `clock` makes them of numbers"
        )
    return times[0]


def groups(columns: Columns) -> list[str]:
    """Return the columns that say whose series a row belongs to."""
    return by_role(columns, "group")


def over(value: pl.Expr, keys: list[str]) -> pl.Expr:
    """Return an expression computed within each series."""
    return value.over(keys) if keys else value


@dataclass(frozen=True)
class Known:
    """What the steps of a plan know of its rows, without a look at what is not computed yet.

    ordered: each series' rows are in the order of time, and have one; apart: the time from row to
    row of a regular grid.
    """

    ordered: bool = False
    apart: timedelta | None = None


_known: ContextVar[Known] = ContextVar("known", default=Known())  # noqa: B039 - frozen


def known() -> Known:
    """Return what is known of the rows that a step is given."""
    return _known.get()


@contextmanager
def knowing(given: Known) -> Iterator[None]:
    """Let `known` return it in the block."""
    token = _known.set(given)
    try:
        yield
    finally:
        _known.reset(token)


def in_order(frame: pl.LazyFrame, keys: list[str], time: str) -> Callable[[pl.Expr], pl.Expr]:
    """Return what has expressions computed within each series in the order of time.

    Where rows are in that order already, which is known or takes one look, nothing is sorted again.
    """
    if known().ordered:
        return lambda value: over(value, keys)
    back = over(pl.col(time).diff(), keys) < pl.duration()
    wrong = (back | pl.col(time).is_null()).any()
    if not frame.select(wrong).collect(engine="streaming").item():
        return lambda value: over(value, keys)
    return lambda value: value.over(keys or None, order_by=time)


def by_time(frame: pl.LazyFrame, time: str) -> pl.LazyFrame:
    """Return rows of which each series' are in the order of time; those of one time stay so."""
    return frame if known().ordered else frame.sort(time, maintain_order=True)


def ordered(frame: pl.LazyFrame, keys: list[str], time: str) -> pl.LazyFrame:
    """Return the rows by series and time; rows of one time stay in their order.

    Series and time are put into one number: sorting by that takes a sixth of the time that sorting
    by several columns does.
    """
    if not keys:
        return frame.sort(time, maintain_order=True)
    series = frame.select(keys).unique().collect(engine="streaming").sort(keys)
    first, last = frame.select(a=pl.min(time), b=pl.max(time)).collect(engine="streaming").row(0)
    if first is None:
        return frame.sort(*keys, time, maintain_order=True)
    span = int((last - first) / timedelta(microseconds=1)) + 1
    if span * len(series) >= 2**62:
        return frame.sort(*keys, time, maintain_order=True)
    number = pl.int_range(len(series), dtype=pl.Int64, eager=True).alias(SERIES)
    ranked = frame.join(
        series.with_columns(number).lazy(),
        on=keys,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    since = (pl.col(time) - pl.lit(first)).dt.total_microseconds()
    place = pl.col(SERIES) * span + since
    return ranked.sort(place, maintain_order=True).drop(SERIES)


def local_time(time: pl.Expr, zone: str) -> pl.Expr:
    """Return what a clock in a zone shows at UTC times, without a zone."""
    if zone == "UTC":
        return time
    there = time.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    return there.dt.replace_time_zone(None)


def one_key(frame: pl.LazyFrame, keys: list[str]) -> tuple[pl.LazyFrame, str | None]:
    """Return the frame with a column that tells its series apart, and that column's name.

    With several group columns it is one more column, `SERIES`, to be dropped afterwards.
    """
    if len(keys) < 2:
        return frame, (keys[0] if keys else None)
    return frame.with_columns(pl.struct(keys).alias(SERIES)), SERIES


def grid_step(frame: pl.LazyFrame, keys: list[str], time: str, step: str) -> timedelta | None:
    """Return the time from row to row of a regular grid, None where no series has two rows.

    Raises:
        DataError: the rows are not in order of series and time, or not equally far apart.
    """
    if apart := known().apart:
        return apart
    ahead = over(pl.col(time).diff(), keys)
    shortest, longest = (
        frame.select(ahead.alias("step"))
        .select(pl.min("step").alias("a"), pl.max("step").alias("b"))
        .collect(engine="streaming")
        .row(0)
    )
    if shortest is None:
        return None
    if shortest != longest or shortest <= timedelta():
        raise DataError(
            f"clean.steps.{step}: expected a regular grid, found steps of {shortest} to {longest}. "
            "Put `resample: {every: …}` before it."
        )
    return shortest


def rows_of(duration: str, grid: timedelta | None, step: str) -> int:
    """Return how many rows of a grid a duration has.

    Raises:
        ParamsError: it is no whole number of them.
    """
    if grid is None:
        return 1
    rows, rest = divmod(length(duration), grid)
    if rest or rows < 1:
        raise ParamsError(
            f"clean.steps.{step}: {duration} is no whole number of the grid's steps of {grid}"
        )
    return rows


class Back(Measured):
    """`by`: how far back, each a whole number of the grid's steps."""

    by: list[Duration] = Field(default=[])


def beside(
    frame: pl.LazyFrame,
    columns: Columns,
    params: Back,
    step: str,
    compute: Callable[..., pl.LazyFrame],
    short: str,
    long: str,
    described: Callable[[Column], Column],
) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with what `compute` makes of each column and its value some time before.

    Args:
        frame, columns, params: as a step has them.
        step: its name, for messages.
        compute: of `tasks.frames.windows`, by frame, key, names and rows.
        short, long: what follows a column's name, before the rows, as `compute` names it, and
            before the duration, as it is to be named.
        described: what is known of a new column, by that of the old one.
    """
    if not params.by:
        return frame, columns
    time, keys = clock(columns, frame, step), groups(columns)
    names = measured(frame, columns, params, step)
    grid = grid_step(frame, keys, time, step)
    keyed, key = one_key(frame, keys)
    made = dict(columns)
    for duration in params.by:
        rows = rows_of(duration, grid, step)
        new = {f"{n}_{short}{rows}": f"{n}_{long}_{duration}" for n in names}
        keyed = compute(keyed, key, names, [rows]).rename(new)
        for old, name in zip(names, new.values(), strict=True):
            made[name] = described(columns[old])
    return keyed.drop(SERIES, strict=False), made
