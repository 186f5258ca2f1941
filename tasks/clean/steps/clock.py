"""Makes the time column out of what the table has: parts (year, month, day, hour) or a number.

For tables whose time is in several columns, or is a count of seconds since 1970. Not for text: give
the column `type: datetime` in `table.columns`.
"""

from typing import Literal

import polars as pl
from pydantic import Field, model_validator

from tasks.core.errors import ParamsError
from tasks.core.frames import require_columns
from tasks.core.plugins import PluginParams
from tasks.core.schema import ROW, Column, Columns, by_role

SCOPE = "row"
PARTS = ("year", "month", "day", "hour", "minute", "second")
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}


class Params(PluginParams):
    """`parts`: columns for year, month, day and, where there are, hour, minute, second."""

    parts: list[str] = Field(default=[], max_length=6)
    epoch: str | None = Field(default=None, description="a column of time since 1970, UTC")
    unit: Literal["s", "ms", "us"] = Field(default="s", description="of `epoch`")
    name: str = Field(default="time", description="of the column made")

    @model_validator(mode="after")
    def _either(self) -> "Params":
        if self.parts and self.epoch:
            raise ValueError("give `parts` or `epoch`, not both")
        if self.parts and len(self.parts) < 3:
            raise ValueError(f"parts: expected year, month and day at least, found {self.parts}")
        return self


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with a time column, the columns it was made of gone.

    Raises:
        ParamsError: the columns are unknown or no numbers, or there is a time column already.
    """
    of = params.parts or ([params.epoch] if params.epoch else [])
    if not of or (params.name in columns and columns[params.name].role == "time"):
        return frame, columns
    require_columns("clean.steps.clock", of, columns)
    schema = frame.collect_schema()
    problems = [
        f"clean.steps.clock: column {name!r} is {schema[name]}, expected numbers"
        for name in of
        if not schema[name].is_numeric()
    ]
    if others := [n for n in by_role(columns, "time") if n not in of]:
        problems.append(f"clean.steps.clock: column {others[0]!r} has the role `time` already")
    if params.name in columns and params.name not in of:
        problems.append(f"clean.steps.clock.name: there is a column {params.name!r} already")
    if problems:
        raise ParamsError("\n".join(problems))
    time = (_of_epoch(params) if params.epoch else _of_parts(params.parts)).alias(params.name)
    left = [name for name in schema.names() if name not in {*of, ROW}]
    made: Columns = {params.name: Column(type="datetime", role="time")}
    kept = {name: column for name, column in columns.items() if name in left}
    return frame.select(ROW, time, *left), made | kept


def _of_parts(names: list[str]) -> pl.Expr:
    parts = dict(zip(PARTS, (pl.col(n).cast(pl.Int64) for n in names), strict=False))
    day = pl.date(parts["year"], parts["month"], parts["day"]).cast(pl.Datetime("us"))
    hours, minutes, seconds = (parts.get(part, pl.lit(0)) for part in PARTS[3:])
    return day + pl.duration(hours=hours, minutes=minutes, seconds=seconds)


def _of_epoch(params: Params) -> pl.Expr:
    count = pl.col(str(params.epoch)).cast(pl.Float64) * (1_000_000 / PER_SECOND[params.unit])
    return count.round().cast(pl.Int64).cast(pl.Datetime("us"))
