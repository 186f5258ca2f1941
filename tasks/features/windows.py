"""Cuts a regular grid of time into windows: a row a time at which a forecast is made.

A window's past ends with its origin, and its target begins `lead` steps later. It never crosses
from one group into another. Steps without a row are missing values.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from tasks.core.errors import DataError, ParamsError
from tasks.core.plugins import unknown
from tasks.core.schema import ROW, Column, Table, by_role
from tasks.core.sequence import FUTURE, PAST, Sequence
from tasks.features import calendar
from tasks.features.params import Forecast

SPARSE = 20  # steps a row: a table that has so few of its steps was never put onto a grid
DAY_S = calendar.DAY_S


@dataclass(frozen=True)
class Windows:
    """The windows of a table.

    frame: a row an origin: row number, time, group, the target at the origin, `past`, `future` and
    static columns; y: (n, horizon) float64; spec: the columns of `frame`; sequence: its `scale` is
    still 0, its `block` as long as horizon and season together.
    """

    frame: pl.DataFrame
    y: np.ndarray
    spec: Table
    sequence: Sequence


@dataclass(frozen=True)
class _Grid:
    """One group: values (time, channel) float32, target (time,) float64 and times (time,) of every
    step; row: (time,) the place of the step's row in the table, -1 where there is none.
    """

    values: np.ndarray
    target: np.ndarray
    times: np.ndarray
    row: np.ndarray


def cut(frame: pl.DataFrame, spec: Table, params: Forecast) -> Windows:
    """Return the windows of a clean table.

    Raises:
        DataError: no time column, times off a regular grid or twice in a group, too few rows for a
            window, or more windows than memory is granted for.
        ParamsError: a channel that is no numeric column.
    """
    time, group = _time(frame, spec), next(iter(by_role(spec.columns, "group")), None)
    channels = _channels(frame, spec, params)
    seconds = frame[time].dt.epoch("us").to_numpy() / 1e6
    groups = _groups(frame, group)
    step_s = _step(seconds, groups, time)
    cycles = _cycles(params, step_s, float(np.ptp(seconds)))
    known = [*params.known, *calendar.names(cycles)]
    season = params.season or max(1, round((DAY_S if step_s < DAY_S else 7 * DAY_S) / step_s))
    static = _static(frame, spec, group, {*channels, time})
    sequence = Sequence(
        context=params.context,
        horizon=params.horizon,
        lead=params.first,
        own_past=params.own_past,
        channels=(*channels, *known),
        known=tuple(known),
        static=tuple(static),
        quantiles=params.quantiles,
        season=season,
        step_s=step_s,
        scale=0.0,
    )
    values = frame.select(pl.col(channels).cast(pl.Float32)).to_numpy()
    target = frame[spec.target].cast(pl.Float64).fill_null(np.nan).to_numpy()
    if params.known:
        values = np.concatenate([values, _columns(frame, params.known)], axis=1)
    grids = [_grid(values, target, seconds, rows, step_s, cycles, time) for rows in groups]
    return _made(frame, spec, sequence, grids, params, [time, *([group] if group else []), *static])


def _made(
    frame: pl.DataFrame,
    spec: Table,
    sequence: Sequence,
    grids: list[_Grid],
    params: Forecast,
    kept: list[str],
) -> Windows:
    chosen = [_origins(grid, sequence, params) for grid in grids]
    count = sum(map(len, chosen))
    _check(count, grids, sequence, params)
    apart = float(np.median(np.concatenate([[params.stride], *map(np.diff, chosen)])))
    block = max(1, round((sequence.horizon + sequence.season) / apart) * len(grids))
    sequence = sequence.model_copy(update={"block": block})
    reach, on = sequence.context, sequence.ahead
    past, future, y, rows = [], [], [], []
    for grid, origins in zip(grids, chosen, strict=True):
        if not len(origins):
            continue
        back = np.arange(reach) - reach + 1
        past.append(grid.values[origins[:, None] + back])
        future.append(grid.values[origins[:, None] + on][:, :, -len(sequence.known) or None :])
        y.append(grid.target[origins[:, None] + on])
        rows.append(grid.row[origins])
    table = frame[np.concatenate(rows)].select(ROW, *kept, spec.target)
    table = table.with_columns(pl.Series(PAST, np.concatenate(past)))
    columns = {n: spec.columns[n] for n in [*kept, spec.target]} | {PAST: Column(type="window")}
    if sequence.known:
        table = table.with_columns(pl.Series(FUTURE, np.concatenate(future)))
        columns[FUTURE] = Column(type="window")
    given = spec.model_copy(update={"columns": columns, "extra_columns": "ignore"})
    return Windows(table, np.concatenate(y), given, sequence)


def _origins(grid: _Grid, sequence: Sequence, params: Forecast) -> np.ndarray:
    """Return the steps that can be origins: a row, enough of the past, all of the target.

    What must be there of the past is the target, or any channel where the target is none.
    """
    steps = len(grid.target)
    first, last = sequence.context - 1, steps - 1 - int(sequence.ahead[-1])
    if last < first:
        return np.zeros(0, int)
    origins = np.arange(first, last + 1)
    origins = origins[(origins - first) % params.stride == 0]
    there = _counted(np.isfinite(grid.target))
    begin = origins + sequence.lead
    ahead = there[begin + sequence.horizon] - there[begin] == sequence.horizon
    if not sequence.own_past:
        moving = len(sequence.channels) - len(sequence.known)
        there = _counted(np.isfinite(grid.values[:, :moving]).sum(axis=1) > 0)
    behind = there[origins + 1] - there[origins + 1 - sequence.context]
    enough = behind >= max(1, params.least_present * sequence.context)
    return origins[ahead & enough & (grid.row[origins] >= 0)]


def _counted(measured: np.ndarray) -> np.ndarray:
    """Return how many of (time,) bools are true before each step, (time + 1,)."""
    return np.concatenate([[0], np.cumsum(measured)])


def _grid(
    values: np.ndarray,
    target: np.ndarray,
    seconds: np.ndarray,
    rows: np.ndarray,
    step_s: float,
    cycles: list[str],
    time: str,
) -> _Grid:
    rows = rows[np.argsort(seconds[rows], kind="stable")]
    places = (seconds[rows] - seconds[rows[0]]) / step_s
    at = np.rint(places).astype(int)
    if np.abs(places - at).max() > 1e-3 or (np.diff(at) == 0).any():
        wrong = int(rows[np.argmax(np.abs(places - at))])
        raise DataError(
            f"column {time!r}: expected one row every {step_s:g} s, found row {wrong + 1} off that "
            "grid, or two rows at one time; put the table onto a grid with the clean step "
            "`resample`"
        )
    steps = at[-1] + 1
    if steps > SPARSE * len(rows):
        raise DataError(
            f"column {time!r}: {len(rows)} rows on {steps} steps of {step_s:g} s: most are "
            "missing; resample the table to longer steps (clean step `resample`)"
        )
    times = seconds[rows[0]] + step_s * np.arange(steps)
    known = calendar.columns(times, cycles)
    grid = np.full((steps, values.shape[1]), np.nan, np.float32)
    grid[at] = values[rows]
    whole = np.full(steps, np.nan)
    whole[at] = target[rows]
    row = np.full(steps, -1)
    row[at] = rows
    return _Grid(np.concatenate([grid, known], axis=1), whole, times, row)


def _cycles(params: Forecast, step_s: float, span_s: float) -> list[str]:
    """Return the calendar's cycles: those asked for, or those that the table can tell about."""
    if isinstance(params.calendar, bool):
        return calendar.cycles(step_s, span_s) if params.calendar else []
    return list(params.calendar)


def _check(count: int, grids: list[_Grid], sequence: Sequence, params: Forecast) -> None:
    if not count:
        longest = max(len(g.target) for g in grids)
        seen = "target" if sequence.own_past else "channels"
        raise DataError(
            f"no window fits: {sequence.context} steps of the past and {sequence.ahead[-1]} ahead "
            f"want {sequence.context + sequence.ahead[-1]} steps of {sequence.step_s:g} s, the "
            f"{seen} there in {params.least_present:.0%} of the past and the target in all "
            f"{sequence.horizon} of the horizon; the longest group has {longest}. Lower "
            "features.forecast.context, horizon, lead or stride, or fill gaps in `clean`"
        )
    size = 4 * count * (sequence.past_size + sequence.horizon * (len(sequence.known) + 2)) / 2**20
    if size > params.max_mib:
        raise DataError(
            f"{count} windows of {sequence.context} steps x {len(sequence.channels)} channels take "
            f"{size:.0f} MiB, granted are {params.max_mib} (features.forecast.max_mib). Raise "
            "features.forecast.stride, or lower context or channels"
        )


def _time(frame: pl.DataFrame, spec: Table) -> str:
    names = [n for n in by_role(spec.columns, "time") if n in frame.columns]
    if not names or not frame.schema[names[0]].is_temporal():
        found = f"{names[0]!r} of {frame.schema[names[0]]}" if names else "none"
        raise DataError(f"a forecast wants a datetime column of role time, found {found}")
    if missing := frame[names[0]].null_count():
        raise DataError(
            f"column {names[0]!r}: {missing} rows have no time; declare it `nullable: false`, so "
            "that they go to quarantine"
        )
    return names[0]


def _channels(frame: pl.DataFrame, spec: Table, params: Forecast) -> list[str]:
    """Return the target, where its past is seen, then the numeric columns beside it."""
    numeric = [
        n for n, t in frame.schema.items() if n != ROW and (t.is_numeric() or t == pl.Boolean)
    ]
    problems = [
        "features.forecast: " + unknown(f"column {name!r}", name, tuple(numeric))
        for name in [*(params.channels or []), *params.known]
        if name not in numeric
    ]
    if spec.target in params.known:
        problems.append(
            f"features.forecast.known: expected columns that are known in advance, found "
            f"{spec.target!r}, the target"
        )
    if problems:
        raise ParamsError("\n".join(problems))
    features = [n for n in by_role(spec.columns, "feature") if n in numeric]
    chosen = features if params.channels is None else params.channels
    others = [n for n in chosen if n not in (spec.target, *params.known)]
    if not params.own_past and not others:
        raise ParamsError(
            "features.forecast.own_past: false wants a numeric column beside the target whose past "
            f"tells it, found none of role feature but {', '.join(params.known) or 'none'}"
        )
    return [spec.target, *others] if params.own_past else others


def _static(frame: pl.DataFrame, spec: Table, group: str | None, others: set[str]) -> list[str]:
    """Return the feature columns that are no channels and the same in all rows of a group."""
    named = [
        n
        for n in by_role(spec.columns, "feature")
        if n in frame.columns and n not in others and not frame.schema[n].is_numeric()
    ]
    if not group:
        return []
    return [n for n in named if frame.group_by(group).agg(pl.col(n).n_unique())[n].max() == 1]


def _groups(frame: pl.DataFrame, group: str | None) -> list[np.ndarray]:
    """Return the places of the rows of each group, the groups in order."""
    if group is None:
        return [np.arange(len(frame))]
    labels = frame[group].rank("dense").fill_null(0).to_numpy()
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def _step(seconds: np.ndarray, groups: list[np.ndarray], time: str) -> float:
    """Return the seconds between rows that follow each other, as most have it."""
    gaps = np.concatenate([np.diff(np.sort(seconds[rows])) for rows in groups])
    gaps = gaps[gaps > 0]
    if not len(gaps):
        raise DataError(f"column {time!r}: a forecast wants two times or more in a group")
    values, counts = np.unique(np.round(gaps, 3), return_counts=True)
    return float(values[counts.argmax()])


def _columns(frame: pl.DataFrame, names: list[str]) -> np.ndarray:
    return frame.select(pl.col(names).cast(pl.Float32)).to_numpy()


def scale(frame: pl.DataFrame, spec: Table, sequence: Sequence) -> float:
    """Return the mean |y(t) - y(t - season)| of the training part's rows; 0: none is known."""
    season_us = round(sequence.season * sequence.step_s * 1e6)
    time = by_role(spec.columns, "time")[0]
    keys = [*by_role(spec.columns, "group"), time]
    now = frame.select(*keys, pl.col(spec.target).cast(pl.Float64).alias("now"))
    then = now.with_columns(pl.col(time) + pl.duration(microseconds=season_us)).rename(
        {"now": "then"}
    )
    both = now.join(then, on=keys, how="inner")
    found = both.select((pl.col("now") - pl.col("then")).abs().mean()).item()
    return float(found) if found is not None and np.isfinite(found) else 0.0
