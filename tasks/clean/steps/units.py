"""Checks declared units against what the values look like, and converts what was declared.

A unit is declared in `table.columns` (`unit: degF`) or here. A mix-up is reported, never corrected:
a series whose median is unusual in its unit and usual in another of the quantity (71 degC is
71 degF), and a series that jumps where another unit would make it go on (a change of units in the
middle). Not for quantities whose units look alike: wind of 5 may be m/s, km/h or mph.
"""

from itertools import permutations
from typing import Literal

import polars as pl
from pydantic import Field, field_validator

from tasks.clean.findings import Finding, finding
from tasks.clean.quantities import (
    CANDIDATES,
    UNITS,
    convert,
    kind_of,
    likely,
    number,
    unit_of,
    usual,
)
from tasks.clean.series import Measured, groups, in_order, measured
from tasks.core.errors import DataError
from tasks.core.frames import require_columns
from tasks.core.plugins import unknown
from tasks.core.schema import ROW, Column, Columns, by_role

SCOPE = "group"
STRETCH = 5  # values on either side of a jump whose medians are compared
LEAST_JUMP = 5.0  # in base units of the quantity: less may be weather
EXPLAINED = 0.3  # share of a jump that may stay once the other side is converted


class Params(Measured):
    """`to`: the wanted unit of each declared one."""

    declared: dict[str, str] = Field(default={}, description="unit by column, as in table.columns")
    convert: bool = Field(default=False, description="false: only reported")
    to: dict[str, str] = Field(
        default={"degF": "degC", "K": "degC", "inHg": "hPa", "mmHg": "hPa", "mph": "m/s"}
        | {"km/h": "m/s", "kWh": "Wh", "in": "mm"}
    )
    mix_up: Literal["report", "error"] = Field(
        default="report", description="error: a likely mix-up stops the run"
    )

    @field_validator("to")
    @classmethod
    def _one_quantity(cls, given: dict[str, str]) -> dict[str, str]:
        problems = [
            unknown(f"unit {unit!r}", unit, tuple(UNITS))
            for unit in (*given.keys(), *given.values())
            if unit not in UNITS
        ] or [
            f"{old} is a {UNITS[old].quantity}, {new} a {UNITS[new].quantity}"
            for old, new in given.items()
            if UNITS[old].quantity != UNITS[new].quantity
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return given


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with values in the wanted units, and the columns with their units.

    Raises:
        DataError: a likely mix-up, where params make it an error.
    """
    columns = _declared(columns, params)
    if params.mix_up == "error":
        found = _mix_ups(frame.collect(), columns, params)
        if found:
            said = "\n".join(f"- {each['column']}: {each['detail']}" for each in found)
            raise DataError(f"clean.steps.units: likely mix-ups of units:\n{said}")
    changed, made = [], dict(columns)
    for name in measured(frame, columns, params, "units") if params.convert else []:
        old = unit_of(columns[name].unit)
        if old in params.to and params.to[old] != old:
            new = params.to[old]
            changed.append(convert(pl.col(name), old, new).alias(name))
            made[name] = _converted(columns[name], old, new)
    return frame.with_columns(changed), made


def findings(
    before: pl.DataFrame, after: pl.DataFrame, columns: Columns, params: Params
) -> list[Finding]:
    """Return conversions done or left, units that are not known, and likely mix-ups."""
    columns = _declared(columns, params)
    found = _mix_ups(before, columns, params)
    for name in measured(before.lazy(), columns, params, "units"):
        unit = columns[name].unit
        old = unit_of(unit)
        values = before[name].len() - before[name].null_count()
        if old in params.to and params.to[old] != old:
            what = "converted" if params.convert else "not converted (convert: false)"
            found.append(finding(what, name, f"{old} to {params.to[old]}", values))
    return found


def _mix_ups(frame: pl.DataFrame, columns: Columns, params: Params) -> list[Finding]:
    keys, times = groups(columns), by_role(columns, "time")
    found = []
    anyone = params.model_copy(update={"target": True})
    for name in measured(frame.lazy(), columns, anyone, "units"):
        kind = kind_of(name, columns[name].unit)
        if kind is None:
            continue
        declared = unit_of(columns[name].unit)
        series = frame.select(ROW, *keys, *times, pl.col(name).cast(pl.Float64)).drop_nulls(name)
        if times and isinstance(series.schema[times[0]], pl.Datetime):
            found += _changes(series.drop_nulls(times[0]), name, kind, keys, times[0])
        found += _unusual(series, name, kind, declared, keys)
    return found


def _unusual(
    series: pl.DataFrame, name: str, kind: str, declared: str | None, keys: list[str]
) -> list[Finding]:
    """Return the series whose median speaks for another unit than the declared."""
    of = series.group_by(keys, maintain_order=True) if keys else series.group_by(pl.lit(0))
    medians = of.agg(
        middle=pl.col(name).median(), n=pl.len(), first=pl.col(ROW).min(), least=pl.col(name).min()
    )
    found = []
    for row in medians.iter_rows(named=True):
        other = likely(row["middle"], kind, declared)
        if other is None or other == declared:
            continue
        whose = _whose(row, keys)
        said = f"declared {declared}" if declared else "no unit declared"
        detail = f"{whose}{said}, the median {row['middle']:.4g} looks like {other}"
        found.append(finding("likely unit mix-up", name, detail, row["n"], row["first"]))
    return found


def _changes(
    series: pl.DataFrame, name: str, kind: str, keys: list[str], time: str
) -> list[Finding]:
    """Return where a series jumps by what a change of unit explains.

    A jump counts where the medians of the `STRETCH` values on either side differ, and nearly all of
    the difference goes away once one side is converted.
    """
    value = pl.col(name)
    within = in_order(series.lazy(), keys, time)
    medians = series.with_columns(
        past=within(value.rolling_median(STRETCH)),
        next=within(value.reverse().rolling_median(STRETCH).reverse().shift(-1)),
        at=within(pl.int_range(pl.len())),
    )
    jump = (pl.col("next") - pl.col("past")).abs()
    found = []
    for old, new in permutations(CANDIDATES[kind], 2):
        left = (pl.col("next") - convert(pl.col("past"), old, new)).abs()
        at_jump = (jump > LEAST_JUMP) & (left < EXPLAINED * jump)
        hits = medians.filter(
            at_jump & usual(pl.col("past"), kind, old) & usual(pl.col("next"), kind, new)
        ).sort(*keys, time)
        # one jump shows at several values beside it
        hits = hits.filter((pl.col("at").diff().fill_null(STRETCH + 1) > STRETCH) | _differs(keys))
        for row in hits.iter_rows(named=True):
            detail = f"{_whose(row, keys)}from {old} to {new} near {row[time]}"
            found.append(finding("unit changes within the series", name, detail, 1, row[ROW]))
    return found


def _differs(keys: list[str]) -> pl.Expr:
    if not keys:
        return pl.lit(False)
    return pl.any_horizontal(pl.col(k).ne_missing(pl.col(k).shift(1)) for k in keys)


def _whose(row: dict, keys: list[str]) -> str:
    return f"{', '.join(str(row[k]) for k in keys)}: " if keys else ""


def _declared(columns: Columns, params: Params) -> Columns:
    require_columns("clean.steps.units.declared", params.declared, columns)
    return {
        name: column.model_copy(update={"unit": params.declared[name]})
        if name in params.declared and column.unit is None
        else column
        for name, column in columns.items()
    }


def _converted(column: Column, old: str, new: str) -> Column:
    limits = {
        end: number(limit, old, new)
        for end in ("min", "max")
        if (limit := getattr(column, end)) is not None
    }
    return column.model_copy(update={"unit": new, "type": "float", **limits})
