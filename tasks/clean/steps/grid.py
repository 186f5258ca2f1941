"""Repeats, range, units, short gaps, a grid, windows and lags of a sensor table, as one plan.

What `sorted_unique`, `range`, `units`, `fill_forward`, `resample`, `rolling` and `lags` (of the
means) do one after the other, with the same values and names, by compiled kernels, Polars or cuDF.
As the first step it goes from file to file in bounded memory, and finished parts are kept. It
counts what it found, but no repairs by the day; steps that look for faults see the grid afterwards.
All is computed in double precision and microseconds; the count of a period without rows is 0. Text,
booleans, rows without series or time are left out. Not for tables whose rows are events.
"""

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, Self

import polars as pl
from pydantic import Field, model_validator

from tasks.clean import accounting, binning, counted
from tasks.clean.series import Duration, Known, clock, groups, length
from tasks.clean.steps import rolling
from tasks.clean.steps.range import Range, check
from tasks.clean.steps.rolling import Statistics
from tasks.clean.steps.units import Wanted, converted
from tasks.core import schema
from tasks.core.errors import DataError, ParamsError
from tasks.core.plugins import PluginParams
from tasks.core.quantities import UNITS, wanted
from tasks.core.schema import Columns, by_role
from tasks.frames import plan
from tasks.frames.run import run
from tasks.frames.spec import Column, Statistic, Work

SCOPE = "group"
MAKES_ROWS = True
ONCE = True
DOERS = {"numba": "cpu: compiled kernels", "polars": "cpu: Polars, series by series"}


class Params(PluginParams):
    """`every`: the period; `windows` and `lags`: how far back, of each column's mean."""

    every: Duration = "15m"
    statistics: list[Statistic] = Field(default=["mean"], min_length=1)
    limits: dict[str, Range] = Field(
        default={}, description="before those of `columns`; what is outside is missing"
    )
    to: Wanted = Field(default={}, description="the wanted unit by declared one: {degF: degC}")
    fill_rows: int = Field(
        default=0, ge=0, description="rows that a feature's value is carried forward"
    )
    windows: list[Duration] = Field(default=[])
    rolling: Statistics = Field(default=["mean", "std"], min_length=1)
    lags: list[Duration] = Field(default=[])
    target: Statistic = Field(default="mean", description="of a numeric target")
    of_target: bool = Field(default=False, description="windows and lags of the target too")
    memory_mib: int = Field(default=2048, ge=64, description="of the rows in memory at once")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        problems = []
        for name in ("statistics", "windows", "rolling", "lags"):
            given = getattr(self, name)
            if twice := sorted({value for value in given if given.count(value) > 1}):
                problems.append(f"{name}: {', '.join(twice)} stands there twice")
        if "mean" not in self.statistics and (self.windows or self.lags):
            problems.append("windows and lags are of the means: `statistics` needs mean")
        every = length(self.every)
        if every % timedelta(seconds=1) or timedelta(days=1) % every:
            said = "expected whole seconds that divide a day; `resample` takes others"
            problems.append(f"every {self.every}: {said}")
        elif wrong := [d for d in (*self.windows, *self.lags) if length(d) % every]:
            problems.append(f"{', '.join(wrong)}: no whole number of steps of {self.every}")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def steps(self, duration: str) -> int:
        """Return how many steps of the grid a duration has."""
        return length(duration) // length(self.every)


class Made(NamedTuple):
    """A column of the grid: its name in the results of `tasks.frames`, its own, what it is."""

    result: str
    name: str
    column: schema.Column
    dtype: Any = pl.Float64


def leaves(params: Params) -> Known:
    """Return what is known of the rows behind it."""
    return Known(ordered=True, apart=length(params.every))


def includes_now(params: Params, target: str) -> bool:
    """Return whether features are made of the target as it is in the row itself."""
    return params.of_target and bool(params.windows)


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the grid, ordered by series and time, with new row numbers.

    Raises:
        DataError, ParamsError: the table is not one that this can be done on.
    """
    made, columns, _ = compute(frame.collect(), columns, params)
    return made.lazy(), columns


def compute(
    frame: pl.DataFrame,
    columns: Columns,
    params: Params,
    device: str = "cpu",
    demanded: bool = False,
) -> tuple[pl.DataFrame, Columns, dict[str, Any]]:
    """Return the grid, its columns and an account, in memory; see `from_file`."""
    with tempfile.TemporaryDirectory() as folder:
        using = (Path(folder), device, demanded)
        made, columns, account = from_file(frame.lazy(), columns, params, *using)
        return made.collect(), columns, account


def from_file(
    frame: pl.LazyFrame,
    columns: Columns,
    params: Params,
    place: Path,
    device: str = "cpu",
    demanded: bool = False,
) -> tuple[pl.LazyFrame, Columns, dict[str, Any]]:
    """Return a scan of the grid, its columns and an account.

    Args:
        frame: the table, a scan of files.
        columns, params: as a step has them.
        place: a folder for finished parts; the scan reads from it.
        device, demanded: see `tasks.frames.engines.choose`.

    Raises:
        DataError, ParamsError: the table is not one that this can be done on.
        EngineUnavailable: the GPU was demanded, and is not here or cannot do it.
    """
    work = _work(frame, columns, params)
    keys, types = groups(columns), frame.collect_schema()
    made = _columns(columns, types, work, params)
    told = counted.told(frame, columns, work)
    values = pl.col(c.name for c in work.columns).cast(pl.Float64)
    rows = frame.select(*keys, work.time, pl.when(values.is_finite()).then(values))
    if told["rows"] > told["nowhere"]:
        using = {"device": device, "demanded": demanded, "memory_mib": params.memory_mib}
        try:
            done = run(work, rows, place / "made", kept=place / "kept", **using)
        except (DataError, ParamsError) as error:
            raise type(error)(f"clean.steps.grid: {error}") from error
        features = pl.scan_parquet(place / "made" / "features" / "*.parquet")
    else:  # no row is of a series and time
        done = {"made_of": 0, "by": ["polars"]}
        features = plan.features(plan.clean(plan.read(rows.clear(), work), work), work)
    hours = length(params.every) / timedelta(hours=1)
    shown = [
        (pl.col(m.result) / hours if m.result.endswith("_slope") else pl.col(m.result))
        .cast(m.dtype)
        .alias(m.name)
        for m in made
    ]
    grid = features.select(*(pl.col(key).cast(types[key]) for key in keys), work.time, *shown)
    if any(types[key] == pl.Enum for key in keys):  # its order is its own
        grid = grid.sort(*keys, work.time)
    grid = binning.numbered(grid)
    account = accounting.made(
        "grid", told["rows"], types, grid.select(pl.len()).collect().item(), grid.collect_schema()
    )
    account["found"] = counted.found(told, work, done["made_of"])
    account["engine"] = "; ".join(DOERS.get(by, f"gpu: {by}") for by in done["by"])
    described = {n: columns[n] for n in (*keys, work.time)} | {m.name: m.column for m in made}
    described[work.time] = described[work.time].model_copy(update={"unique": False})
    return grid, described, account


def _work(frame: pl.LazyFrame, columns: Columns, params: Params) -> Work:
    """Return what is to be done, for `tasks.frames`; columns are numbered, so that no result is
    named like another one.
    """
    types = frame.collect_schema()
    check("grid", params.limits, columns, types, empties=True)
    time, keys = clock(columns, frame, "grid"), groups(columns)
    zone = getattr(types[time], "time_zone", None)
    texts = [n for n in by_role(columns, "target") if not types[n].is_numeric()]
    measured = [
        _measured(number, name, columns[name], params)
        for number, name in enumerate(columns)
        if columns[name].role in ("feature", "target") and types[name].is_numeric()
    ]
    problems = []
    if len(keys) > 1:
        several = f"expected at most one column of role group, found {', '.join(keys)}"
        problems.append(f"{several}; `sorted_unique` and `resample` take several")
    if texts:
        problems.append(
            f"target {', '.join(texts)} is no number; `resample` takes it (target: last)"
        )
    if not measured:
        problems.append("expected numeric features or a target, found none")
    if zone not in (None, "UTC") and length(params.every) > timedelta(hours=1):
        long = f"steps of {params.every} are not even in {zone}, which sets its clocks"
        problems.append(f"{long}; make the times UTC by `time_zone`, or use `resample`")
    if problems:
        raise ParamsError("\n".join(f"clean.steps.grid: {problem}" for problem in problems))
    return Work(
        time=time,
        key=keys[0] if keys else None,
        columns=tuple(measured),
        fill_rows=params.fill_rows,
        grid_s=int(length(params.every).total_seconds()),
        statistics=tuple(dict.fromkeys((*params.statistics, params.target, "mean"))),
        windows={window: params.steps(window) for window in params.windows},
        rolling=tuple(params.rolling),
        lags=tuple(dict.fromkeys(params.steps(lag) for lag in params.lags)),
        daily=(),
        compression="lz4",  # written once more, as one file
    )


def _measured(number: int, name: str, column: schema.Column, params: Params) -> Column:
    """Return a column for `tasks.frames`; a target is neither limited, filled nor converted."""
    renamed = f"__{number}__"
    if column.role == "target":
        return Column(name=name, rename=renamed, fill=False)
    limits = params.limits.get(name, Range(min=column.min, max=column.max))
    factor, offset = 1.0, 0.0
    if units := wanted(column.unit, params.to):
        old, new = (UNITS[unit] for unit in units)
        factor, offset = old.factor / new.factor, (old.offset - new.offset) / old.factor
    return Column(
        name=name, rename=renamed, low=limits.min, high=limits.max, offset=offset, scale=factor
    )


def _columns(columns: Columns, types: pl.Schema, work: Work, params: Params) -> list[Made]:
    """Return the columns of the grid, named as `resample`, `rolling` and `lags` name theirs.

    Raises:
        ParamsError: two have one name.
    """
    made, means = [], []
    for measured in work.columns:
        name, column = measured.name, columns[measured.name]
        target = column.role == "target"
        if not target and (units := wanted(column.unit, params.to)):
            column = converted(column, *units)
        statistics = [params.target] if target else params.statistics
        for statistic in statistics:
            new = name if len(statistics) == 1 else f"{name}_{statistic}"
            kept = types[name] if column.type == "integer" else pl.Float64
            dtype = {"count": pl.UInt32, "last": kept}.get(statistic, pl.Float64)
            told = binning.described(column, statistic)
            made.append(Made(f"{measured.named}_{statistic}", new, told, dtype))
        if params.of_target or not target:
            new = name if len(statistics) == 1 else f"{name}_mean"
            means.append(Made(measured.named, new, binning.described(column, "mean")))
    for window in params.windows:
        for statistic in params.rolling:
            made += [
                Made(
                    f"{mean.result}_{window}_{statistic}",
                    f"{mean.name}_{window}_{statistic}",
                    rolling.described(mean.column, statistic),
                )
                for mean in means
            ]
    for lag in params.lags:
        for mean in means:
            column = mean.column.model_copy(update={"role": "feature", "nullable": True})
            result = f"{mean.result}_lag{params.steps(lag)}"
            made.append(Made(result, f"{mean.name}_lag_{lag}", column))
    names = [*groups(columns), work.time, *(m.name for m in made)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ParamsError(
            f"clean.steps.grid: {', '.join(twice)}: two columns would have this name; rename those "
            "of the table, or change windows, lags or statistics"
        )
    return made
