"""Repeats, range, units, short gaps, a grid, windows and lags of a sensor table, as one plan.

What `sorted_unique`, `range`, `units`, `fill_forward`, `resample`, `rolling` and `lags` do one
after the other, with the same values and names, by compiled kernels, Polars or cuDF. As the first
step it goes from file to file in bounded memory, and finished parts are kept. It counts what it
found, but no repairs by the day; steps that look for faults see the grid afterwards. Text and
booleans are left out. Not for tables whose rows are events.
"""

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import polars as pl
from pydantic import Field, model_validator

from tasks.clean import accounting, binning
from tasks.clean.findings import Finding, finding
from tasks.clean.quantities import UNITS, unit_of
from tasks.clean.series import Duration, clock, groups, length
from tasks.clean.steps import rolling
from tasks.clean.steps.range import Range
from tasks.clean.steps.units import Wanted, converted
from tasks.core.errors import ParamsError
from tasks.core.frames import require_columns
from tasks.core.plugins import PluginParams
from tasks.core.schema import ROW, Columns
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
    fill_rows: int = Field(default=0, ge=0, description="rows that a value is carried forward")
    windows: list[Duration] = Field(default=[])
    rolling: list[str] = Field(default=["mean", "std"], min_length=1)
    lags: list[Duration] = Field(default=[])
    target: Statistic = Field(default="mean", description="of a numeric target")
    of_target: bool = Field(default=False, description="windows and lags of the target too")
    memory_mib: int = Field(default=2048, ge=64, description="of the rows in memory at once")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        rolling.Params(statistics=self.rolling)
        if "mean" not in self.statistics and (self.windows or self.lags):
            raise ValueError("windows and lags are of the means: `statistics` needs mean")
        every = length(self.every)
        if every % timedelta(seconds=1) or timedelta(days=1) % every:
            said = (
                "expected whole seconds of which a day is a whole number; `resample` takes others"
            )
            raise ValueError(f"every {self.every}: {said}")
        if wrong := [d for d in (*self.windows, *self.lags) if length(d) % every]:
            raise ValueError(f"{', '.join(wrong)}: no whole number of steps of {self.every}")
        return self

    def steps(self, duration: str) -> int:
        """Return how many steps of the grid a duration has."""
        return length(duration) // length(self.every)


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
    with tempfile.TemporaryDirectory() as place:
        where = (Path(place), device, demanded)
        made, columns, account = from_file(frame.lazy(), columns, params, *where)
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
    values = pl.col(column.name for column in work.columns).cast(pl.Float64)
    rows = frame.select(*groups(columns), work.time, pl.when(values.is_finite()).then(values))
    total = frame.select(pl.len()).collect().item()
    if total:
        using = {"device": device, "demanded": demanded, "memory_mib": params.memory_mib}
        done = run(work, rows, place / "made", kept=place / "kept", **using)
        features = pl.scan_parquet(place / "made" / "features" / "*.parquet")
    else:
        done = {"rows": {"features": 0}, "made_of": 0, "by": ["polars"]}
        features = plan.features(plan.clean(plan.read(rows, work), work), work)
    made, named = _described(columns, work, params)
    grid = features.select(*groups(columns), work.time, *(pl.col(a).alias(b) for a, b in named))
    hours = length(params.every) / timedelta(hours=1)
    slopes = [pl.col(new) / hours for old, new in named if old.endswith("_slope")]
    lasts = [new for old, new in named if old.endswith("_last") and made[new].type == "integer"]
    grid = binning.numbered(grid.with_columns(*slopes, pl.col(lasts).cast(pl.Int64)))
    account = accounting.made(
        "grid", total, frame.collect_schema(), done["rows"]["features"], grid.collect_schema()
    )
    account["found"] = _found(frame, columns, work, total - done["made_of"])
    account["engine"] = "; ".join(DOERS.get(by, f"gpu: {by}") for by in done["by"])
    return grid, made, account


def _work(frame: pl.LazyFrame, columns: Columns, params: Params) -> Work:
    """Return what is to be done, for `tasks.frames`."""
    require_columns("clean.steps.grid.limits", params.limits, columns)
    time, keys, schema = clock(columns, frame, "grid"), groups(columns), frame.collect_schema()
    if len(keys) > 1:
        raise ParamsError(
            f"clean.steps.grid: expected at most one column of role group, found "
            f"{', '.join(keys)}; `sorted_unique` and `resample` take several"
        )
    measured = []
    for name, column in columns.items():
        if column.role not in ("feature", "target") or not schema[name].is_numeric():
            continue
        limits = params.limits.get(name)
        if limits is None and column.role == "feature":
            limits = Range(min=column.min, max=column.max)
        low, high = (limits.min, limits.max) if limits else (None, None)
        offset, scale = _conversion(column.unit, params)
        measured.append(Column(name=name, low=low, high=high, offset=offset, scale=scale))
    if not measured:
        raise ParamsError("clean.steps.grid: expected numeric features or a target, found none")
    return Work(
        time=time,
        key=keys[0] if keys else None,
        columns=tuple(measured),
        fill_rows=params.fill_rows,
        grid_s=int(length(params.every).total_seconds()),
        statistics=tuple(dict.fromkeys((*params.statistics, params.target, "mean"))),
        windows={window: params.steps(window) for window in params.windows},
        rolling=tuple(params.rolling),
        lags=tuple(params.steps(lag) for lag in params.lags),
        daily=(),
        compression="lz4",  # written once more, as one file
    )


def _wanted(unit: str | None, params: Params) -> tuple[str, str] | None:
    """Return the unit that a column has and the one that it is to have; None: it stays."""
    old = unit_of(unit)
    return (old, params.to[old]) if old in params.to and params.to[old] != old else None


def _conversion(unit: str | None, params: Params) -> tuple[float, float]:
    """Return offset and scale of `value = (raw + offset) * scale`."""
    if not (units := _wanted(unit, params)):
        return 0.0, 1.0
    old, new = (UNITS[name] for name in units)
    return (old.offset - new.offset) / old.factor, old.factor / new.factor


def _described(
    columns: Columns, work: Work, params: Params
) -> tuple[Columns, list[tuple[str, str]]]:
    """Return the grid's columns, and for each what `tasks.frames` calls it beside its name here.

    Names are as `resample`, `rolling` and `lags` give them.
    """
    made = {name: columns[name] for name in (*groups(columns), work.time)}
    made[work.time] = made[work.time].model_copy(update={"unique": False})
    named: list[tuple[str, str]] = []
    means = {}
    for name in work.names:
        column = columns[name]
        if units := _wanted(column.unit, params):
            column = converted(column, *units)
        target = column.role == "target"
        wanted = [params.target] if target else params.statistics
        for statistic in wanted:
            new = name if len(wanted) == 1 else f"{name}_{statistic}"
            named.append((f"{name}_{statistic}", new))
            made[new] = binning.described(column, statistic)
            if params.of_target if target else statistic == "mean":
                means[name] = new
    for window in params.windows:
        for statistic in params.rolling:
            for name, mean in means.items():
                new = f"{mean}_{window}_{statistic}"
                named.append((f"{name}_{window}_{statistic}", new))
                made[new] = rolling.described(made[mean], statistic)
    for lag in params.lags:
        for name, mean in means.items():
            new = f"{mean}_lag_{lag}"
            named.append((f"{name}_lag{params.steps(lag)}", new))
            made[new] = made[mean].model_copy(update={"role": "feature", "nullable": True})
    return made, named


def _found(frame: pl.LazyFrame, columns: Columns, work: Work, gone: int) -> list[Finding]:
    """Return what was counted: rows without series or time, repeats, values outside their range.

    gone: rows that the grid was not made of.
    """
    nowhere = pl.any_horizontal(pl.col(*groups(columns), work.time).is_null())
    masks = {"": nowhere}
    for column in work.columns:
        value = pl.col(column.name)
        low = pl.lit(False) if column.low is None else value < column.low
        high = pl.lit(False) if column.high is None else value > column.high
        masks[column.name] = (low | high) & value.is_not_nan()
    sums = [mask.fill_null(False).sum().alias(f"n{i}") for i, mask in enumerate(masks.values())]
    firsts = [
        pl.col(ROW).filter(mask).min().alias(f"r{i}") for i, mask in enumerate(masks.values())
    ]
    [told] = frame.select(*sums, *firsts).collect(engine="streaming").to_dicts()
    found = []
    for at, name in enumerate(masks):
        if count := told[f"n{at}"]:
            what = "outside its range" if name else "without series or time"
            found.append(finding(what, name, "", count, told[f"r{at}"]))
    if repeats := gone - told["n0"]:
        found.append(finding("repeats of a series and time", "", "the first stays", repeats))
    return found
