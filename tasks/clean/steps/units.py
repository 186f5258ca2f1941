"""Checks declared units against what the values look like, and converts what was declared.

A unit is declared in `table.columns` (`unit: degF`) or here. A mix-up is reported, never corrected:
a series whose median is unusual in its unit and usual in another of the quantity (71 degC is
71 degF), and a series that jumps where another unit would make it go on (a change of units in the
middle). Not for quantities whose units look alike: wind of 5 may be m/s, km/h or mph.
"""

from itertools import permutations
from typing import Annotated, Literal

import numpy as np
import polars as pl
from pydantic import AfterValidator, Field

from tasks.clean.findings import Finding, finding
from tasks.clean.series import Measured, groups, measured, ordered
from tasks.core.errors import DataError
from tasks.core.frames import require_columns
from tasks.core.plugins import unknown
from tasks.core.quantities import (
    CANDIDATES,
    UNITS,
    convert,
    kind_of,
    likely,
    named,
    number,
    unit_of,
    usual,
    wanted,
)
from tasks.core.schema import ROW, Column, Columns, by_role

SCOPE = "group"
KEEPS_ROWS = True
STRETCH = 5  # values on either side of a jump whose medians are compared
LEAST_JUMP = 5.0  # in base units of the quantity: less may be weather
EXPLAINED = 0.3  # share of a jump that may stay once the other side is converted


def _same_quantity(given: dict[str, str]) -> dict[str, str]:
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


Wanted = Annotated[dict[str, str], AfterValidator(_same_quantity)]  # unit by declared unit


class Params(Measured):
    """`to`: the wanted unit of each declared one."""

    declared: dict[str, str] = Field(default={}, description="unit by column, as in table.columns")
    convert: bool = Field(default=False, description="false: only reported")
    to: Wanted = Field(
        default={"degF": "degC", "K": "degC", "inHg": "hPa", "mmHg": "hPa", "mph": "m/s"}
        | {"km/h": "m/s", "kWh": "Wh", "in": "mm"}
    )
    mix_up: Literal["report", "error"] = Field(
        default="report", description="error: a likely mix-up stops the run"
    )


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
        if units := wanted(columns[name].unit, params.to):
            changed.append(convert(pl.col(name), *units).alias(name))
            made[name] = converted(columns[name], *units)
    return frame.with_columns(changed), made


def findings(
    before: pl.DataFrame, after: pl.DataFrame, columns: Columns, params: Params
) -> list[Finding]:
    """Return conversions done or left, units that are not known, and likely mix-ups."""
    columns = _declared(columns, params)
    found = _mix_ups(before, columns, params)
    for name in measured(before.lazy(), columns, params, "units"):
        unit = columns[name].unit
        values = before[name].len() - before[name].null_count()
        if units := wanted(unit, params.to):
            what = "converted" if params.convert else "not converted (convert: false)"
            found.append(finding(what, name, " to ".join(units), values))
        elif unit and unit_of(unit) is None and named(name):
            found.append(finding("unknown unit, not looked at", name, unit, values))
    return found


def _mix_ups(frame: pl.DataFrame, columns: Columns, params: Params) -> list[Finding]:
    keys, times = groups(columns), by_role(columns, "time")
    anyone = params.model_copy(update={"target": True})
    kinds = {
        name: kind
        for name in measured(frame.lazy(), columns, anyone, "units")
        if (kind := kind_of(name, columns[name].unit))
    }
    found = []
    for name, kind in kinds.items():
        found += _unusual(frame, name, kind, unit_of(columns[name].unit), keys)
    if times and isinstance(frame.schema[times[0]], pl.Datetime):
        rows = frame.lazy().select(ROW, *keys, *times, *kinds).drop_nulls(times)
        series = ordered(rows, keys, times[0]).collect()
        for name, kind in kinds.items():
            found += _changes(series, name, kind, keys, times[0])
    return found


def _unusual(
    series: pl.DataFrame, name: str, kind: str, declared: str | None, keys: list[str]
) -> list[Finding]:
    """Return the series whose median speaks for another unit than the declared."""
    of = series.group_by(keys) if keys else series.group_by(pl.lit(0))
    medians = of.agg(
        middle=pl.col(name).median(), n=pl.col(name).count(), first=pl.col(ROW).min()
    ).drop_nulls("middle")
    found = []
    for row in medians.sort("first").iter_rows(named=True):
        others = likely(row["middle"], kind, declared)
        if not others:
            continue
        whose = _whose(row, keys)
        said = f"declared {declared}" if declared else "no unit declared"
        detail = f"{whose}{said}, the median {row['middle']:.4g} looks like {' or '.join(others)}"
        found.append(finding("likely unit mix-up", name, detail, row["n"], row["first"]))
    return found


def _changes(
    series: pl.DataFrame, name: str, kind: str, keys: list[str], time: str
) -> list[Finding]:
    """Return how often a series, in order, jumps as a change of unit explains, and where first.

    A jump counts where the medians of the `STRETCH` values on either side differ, and nearly all of
    the difference goes away once one side is converted.
    """
    series = series.select(ROW, *keys, time, pl.col(name).cast(pl.Float64)).drop_nulls(name)
    values = series[name].to_numpy()
    if len(values) < 2 * STRETCH:
        return []
    whose = series.select(pl.struct(keys).rle_id()).to_series().to_numpy() if keys else 0 * values
    large = np.flatnonzero(np.abs(np.diff(values)) > LEAST_JUMP) + 1
    found = []
    for old, new in permutations(CANDIDATES[kind], 2):
        at = large[_jumps(values[large - 1], values[large], kind, old, new)]
        at = at[(at >= STRETCH) & (at <= len(values) - STRETCH)]
        at = at[whose[at - STRETCH] == whose[at + STRETCH - 1]]
        around = values[at[:, None] + np.arange(-STRETCH, STRETCH)]
        past, next_ = np.median(around[:, :STRETCH], axis=1), np.median(around[:, STRETCH:], axis=1)
        jumps = series[at[_jumps(past, next_, kind, old, new)].tolist()]
        if jumps.is_empty():
            continue
        first = pl.col(ROW, time).first()
        of = jumps.group_by(keys or pl.lit(0), maintain_order=True).agg(first, n=pl.len())
        for row in of.iter_rows(named=True):
            where = f"{'first ' * (row['n'] > 1)}at {row[time]}"
            detail = f"{_whose(row, keys)}from {old} to {new} {where}"
            found.append(
                finding("unit changes within the series", name, detail, row["n"], row[ROW])
            )
    return found


def _jumps(past: np.ndarray, following: np.ndarray, kind: str, old: str, new: str) -> np.ndarray:
    """Return the places of jumps that a change from one unit to another explains, (n,) int64."""
    jump = np.abs(following - past)
    left = np.abs(following - number(past, old, new))
    fits = usual(past, kind, old) & usual(following, kind, new)
    return np.flatnonzero((jump > LEAST_JUMP) & (left < EXPLAINED * jump) & fits)


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


def converted(column: Column, old: str, new: str) -> Column:
    """Return what is known of a column once its values are in another unit."""
    limits = {
        end: number(limit, old, new)
        for end in ("min", "max")
        if (limit := getattr(column, end)) is not None
    }
    return column.model_copy(update={"unit": new, "type": "float", **limits})
