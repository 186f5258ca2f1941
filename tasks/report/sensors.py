"""Facts of a table with a time column for the report: its series over time, correlations by lag."""

import json
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from tasks.core.artifacts import Artifact
from tasks.core.prepared import Prepared
from tasks.core.schema import ROW, by_role, load_columns
from tasks.core.sequence import Sequence
from tasks.report.words import numbers, stamps

BINS = 240  # of time, for the overview
MOST = 12  # channels in the overview and in the correlations
LAGS = 25
DAY_S = 86_400.0
WORDS = 6  # of a day's repairs that are told
ROWS = 50_000  # that correlations are taken from at most: the last of the training part
LOOKED = 1_000_000  # rows that the step is found in
ON_THE_GRID = 0.99  # share of the rows whose distance from the one before is so many steps
ALL = "__all__"  # the key of a table that is one series
AFTER = "__after__"  # the target, so many steps after the channels
CALENDAR = "time_of_"  # how the columns of the clean step of that name begin


class Rows(NamedTuple):
    """A cleaned table as series: its rows, their keys and time, what is looked at, their grid."""

    lazy: pl.LazyFrame
    keys: list[str]
    time: str
    names: list[str]
    step_s: float
    regular: bool


def facts(clean: Artifact, prepared: Prepared | None) -> dict[str, Any]:
    """Return the overview and, of a regular grid with a target of numbers, correlations by lag.

    Nothing of a table without a time column, or without numbers.
    """
    sequence = prepared.meta.sequence if prepared else None
    rows = _rows(clean, sequence)
    if rows is None:
        return {}
    found: dict[str, Any] = {"overview": _overview(clean, rows)}
    if prepared and rows.regular and _of_numbers(rows, prepared):
        found["correlations"] = _correlations(rows, prepared)
    return found


def _rows(clean: Artifact, sequence: Sequence | None) -> Rows | None:
    columns = load_columns(clean.path)
    lazy = pl.scan_parquet(clean.file("table.parquet"))
    schema = lazy.collect_schema()
    times = [n for n in by_role(columns, "time") if schema[n] in (pl.Date, pl.Datetime)]
    wanted = by_role(columns, "target") + by_role(columns, "feature")
    if sequence:
        seen = [c for c in sequence.channels if " of " not in c or c not in sequence.known]
        wanted = [*dict.fromkeys([*by_role(columns, "target"), *seen])]
    kept = [n for n in wanted if n in schema and not n.startswith(CALENDAR)]
    names = [n for n in kept if schema[n].is_numeric() or schema[n] == pl.Boolean][:MOST]
    if not times or not names:
        return None
    time, keys = times[0], by_role(columns, "group") or [ALL]
    lazy = lazy.with_columns(pl.lit(0).alias(ALL), pl.col(time).cast(pl.Datetime("us")))
    lazy = lazy.select(ROW, *keys, time, *(pl.col(n).cast(pl.Float64) for n in names))
    lazy = lazy.drop_nulls(time)
    step_s, regular = (sequence.step_s, True) if sequence else _grid(lazy, keys, time)
    return Rows(lazy, keys, time, names, step_s, regular) if step_s else None


def _grid(lazy: pl.LazyFrame, keys: list[str], time: str) -> tuple[float, bool]:
    """Return the usual step in seconds, 0 where there is none, and whether nearly all rows keep
    to it.
    """
    rows = lazy.select(*keys, time).head(LOOKED).sort(*keys, time)
    steps = rows.select(pl.col(time).diff().over(keys).dt.total_microseconds()).collect()
    found = steps.to_series().drop_nulls()
    ahead = found.filter(found > 0)
    if ahead.is_empty():
        return 0.0, False
    usual = int(np.quantile(ahead.to_numpy(), 0.25, method="lower"))
    kept = (ahead % usual == 0).sum() / len(found)
    return usual / 1e6, kept >= ON_THE_GRID


def _of_numbers(rows: Rows, prepared: Prepared) -> bool:
    """Return whether the target is a number, or one of two classes that numbers name."""
    two = prepared.meta.classes is None or len(prepared.meta.classes) == 2
    return two and (prepared.meta.sequence is not None or prepared.meta.target in rows.names)


def _overview(clean: Artifact, rows: Rows) -> dict[str, Any]:
    """Return mean and share of missing steps of the channels over bins of time.

    Off a regular grid: the share of missing values among a bin's rows, all where it has none.
    """
    time = pl.col(rows.time)
    spans = rows.lazy.group_by(rows.keys).agg(low=time.min(), high=time.max()).collect()
    low = spans["low"].min()
    starts = spans["low"].dt.epoch("us").to_numpy() / 1e6
    ends = spans["high"].dt.epoch("us").to_numpy() / 1e6 + rows.step_s
    seconds = ends.max() - starts.min()
    width = max(seconds / BINS, rows.step_s)
    place = ((time - low).dt.total_seconds() / width).floor().cast(pl.Int32)
    binned = (
        rows.lazy.group_by(place.alias("bin"))
        .agg(
            pl.len().cast(pl.Float64).alias("rows"),
            *(pl.col(n).mean().alias(f"mean {n}") for n in rows.names),
            *(pl.col(n).count().alias(f"count {n}") for n in rows.names),
        )
        .collect()
    )
    bins = pl.DataFrame({"bin": np.arange(int(np.ceil(seconds / width - 1e-9)), dtype=np.int32)})
    binned = bins.join(binned, on="bin", how="left", maintain_order="left")
    edges = starts.min() + width * np.arange(len(bins) + 1)
    expected = np.diff(_reached(starts, edges) - _reached(ends, edges)) / rows.step_s
    if not rows.regular:
        expected = binned["rows"].fill_null(1).to_numpy()
    there = {n: binned[f"count {n}"].fill_null(0).to_numpy() for n in rows.names}
    means = {n: binned[f"mean {n}"].fill_null(float("nan")).to_numpy() for n in rows.names}
    return {
        "times": stamps(edges[:-1]),
        "step_s": rows.step_s,
        "regular": rows.regular,
        "groups": spans.height,
        "channels": {
            n: {
                "mean": numbers(means[n]),
                "missing": numbers(_missing(there[n], expected)),
            }
            for n in rows.names
        },
        "repairs": _repairs(clean, rows.names),
    }


def _missing(there: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the share of the expected values that are not there; 0 where none is expected."""
    return np.where(expected < 0.5, 0, np.clip(1 - there / np.maximum(expected, 1), 0, 1))


def _reached(begins: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return, for each time, the seconds since all that have begun by then, added up."""
    begins = np.sort(begins)
    count = np.searchsorted(begins, times)
    return count * times - np.concatenate([[0.0], np.cumsum(begins)])[count]


def _repairs(clean: Artifact, names: list[str]) -> dict[str, dict[str, Any]]:
    """Return for each channel, and "" for rows and other columns, on which days what was repaired.

    `days`, and of each its `cells` and in words what was done.
    """
    path = clean.path / "repairs.json"
    steps = json.loads(path.read_text()) if path.exists() else []
    by_day: dict[str, dict[str, list[tuple[int, str]]]] = {}
    for step, entries in steps:
        for day, column, what, count in entries:
            channel = column if column in names else ""
            of = f"{column} " if column and not channel else ""
            words = f"{step}: {of}{what} {count}" + ("" if column else " rows")
            by_day.setdefault(channel, {}).setdefault(day, []).append((count, words))
    return {
        channel: {
            "days": sorted(days),
            "cells": [sum(count for count, _ in days[day]) for day in sorted(days)],
            "words": ["; ".join(words for _, words in days[day][:WORDS]) for day in sorted(days)],
        }
        for channel, days in by_day.items()
    }


def _correlations(rows: Rows, prepared: Prepared) -> dict[str, Any]:
    """Return Pearson's correlation of each channel so many steps before with the target.

    Of the training part. Correlations are no causes; neighbouring lags are alike.
    """
    sequence = prepared.meta.sequence
    frame = _last(_trained(rows, prepared), rows)
    reach = int(max(DAY_S / rows.step_s, LAGS - 1))
    if sequence:
        reach = max(sequence.season, int(sequence.ahead[-1]))
    lags = sorted({int(lag) for lag in np.linspace(0, min(reach, ROWS // 2), LAGS)})
    target = rows.names[0] if sequence else prepared.meta.target
    by, found = [*rows.keys, rows.time], {name: [] for name in rows.names}
    own = frame.select(*by, pl.col(target).alias(AFTER))
    for lag in lags:
        later = pl.col(rows.time) + pl.duration(microseconds=round(lag * rows.step_s * 1e6))
        moved = frame.select(*rows.keys, later, *rows.names)
        both = own.join(moved, on=by, how="inner")
        for name in rows.names:
            pair = both.select(pl.col(name), AFTER).drop_nulls()
            several = len(pair) > 2 and all(column.n_unique() > 1 for column in pair)
            value = pair.select(pl.corr(name, AFTER)).item() if several else np.nan
            found[name].append(value)
    channels = {name: numbers(np.array(values)) for name, values in found.items()}
    return {"lags": lags, "step_s": rows.step_s, "target": target, "channels": channels}


def _trained(rows: Rows, prepared: Prepared) -> pl.LazyFrame:
    """Return the rows of the training part; of windows those up to its last origin."""
    train = pl.scan_parquet(prepared.folder / "train.parquet")
    if prepared.meta.sequence:
        last = train.select(pl.col(rows.time).max()).collect().item()
        return rows.lazy.filter(pl.col(rows.time) <= last)
    return rows.lazy.join(train.select(ROW), on=ROW, how="semi")


def _last(lazy: pl.LazyFrame, rows: Rows) -> pl.DataFrame:
    """Return the last `ROWS` rows at most: of the last series, and of each the last."""
    time = pl.col(rows.time)
    ends = lazy.group_by(rows.keys).agg(pl.len().alias("n"), time.max().alias("end")).collect()
    ends = ends.sort(rows.keys, descending=True, nulls_last=True)
    ends = ends.filter(pl.col("n").cum_sum() - pl.col("n") < ROWS).drop("n")
    near = lazy.join(ends.lazy(), on=rows.keys, how="inner", nulls_equal=True)
    reach = pl.duration(microseconds=round(ROWS * rows.step_s * 1e6))
    return (
        near.filter(time > pl.col("end") - reach).sort(*rows.keys, rows.time).tail(ROWS).collect()
    )
