"""Whether an engine's tables are those of pandas: 1e-6 relative, rows by sensor and time.

pandas takes rolling deviations from running sums, which drift. Where one is further off than that,
the window is computed anew, in two passes, from pandas' own means; what agrees with that is right.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

RELATIVE = 1e-6
NOISE = 1e-9  # of a column's largest value: less is rounding (a deviation of equal values is 0)


def compare(found: Path, answer: Path, windows: dict[str, int]) -> dict[str, Any]:
    """Return, for both tables, whether they are equal and the worst relative difference; `drifted`
    counts the values in which pandas' is the one that is off, `worst_drifted` is ours of those.

    Args:
        found: a folder with `features` and `daily`: files, or folders of parts.
        answer: a folder with the files that pandas wrote.
        windows: name of a window -> its rows.
    """
    return {
        table: _table(_scan(found, table), pl.scan_parquet(answer / f"{table}.parquet"), windows)
        for table in ("features", "daily")
    }


def _scan(folder: Path, table: str) -> pl.LazyFrame:
    parts = folder / table
    return pl.scan_parquet(parts / "*.parquet" if parts.is_dir() else f"{parts}.parquet")


def _table(found: pl.LazyFrame, answer: pl.LazyFrame, windows: dict[str, int]) -> dict[str, Any]:
    names, worst, where = answer.collect_schema().names(), 0.0, ""
    drifted, worst_drifted = 0, 0.0
    if found.collect_schema().names() != names:
        return {"equal": False, "why": "the columns differ"}
    for name in names:  # one after the other: at 20 million rows both tables are 3 GB
        mine, theirs = (t.select(name).collect().to_series() for t in (found, answer))
        if len(mine) != len(theirs):
            return {"equal": False, "why": f"{len(mine)} rows instead of {len(theirs)}"}
        if not theirs.dtype.is_float():
            if theirs.dtype.is_temporal():
                mine, theirs = (series.dt.cast_time_unit("us") for series in (mine, theirs))
            if not (mine == theirs).all():
                return {"equal": False, "why": f"{name} differs"}
            continue
        apart = _apart(mine.to_numpy(), theirs.to_numpy())
        off = np.flatnonzero(apart > RELATIVE)
        column, _, window = name.removesuffix("_std").rpartition("_")
        if len(off) and name.endswith("_std") and window in windows:
            right = _deviations(answer, column, windows[window], off)
            drifted += len(off)
            apart[off] = _apart(mine.to_numpy()[off], right)
            worst_drifted = max(worst_drifted, float(apart[off].max()))
        if apart.max(initial=0.0) > worst:
            worst, where = float(apart.max()), name
    equal = {"equal": worst <= RELATIVE, "worst": worst, "where": where}
    return equal | ({"drifted": drifted, "worst_drifted": worst_drifted} if drifted else {})


def _deviations(answer: pl.LazyFrame, column: str, k: int, rows: np.ndarray) -> np.ndarray:
    """Return the deviations of the last k means of a sensor, by two passes, at some rows."""
    key = answer.collect_schema().names()[0]
    table = answer.select(key, f"{column}_mean").collect()
    keys, means = table[key], table[f"{column}_mean"].to_numpy()
    found = []
    for row in rows.tolist():
        first = max(row - k + 1, 0)
        own = (keys[first : row + 1] == keys[row]).to_numpy()
        values = means[first : row + 1][own]
        found.append(np.std(values[~np.isnan(values)], ddof=1))
    return np.array(found)


def _apart(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return the relative differences: 0 where both are null, infinite where one is."""
    apart = np.where(np.isnan(mine) == np.isnan(theirs), 0.0, np.inf)
    there = ~np.isnan(theirs) & ~np.isnan(mine)
    size, off = np.abs(theirs[there]), np.abs(mine[there] - theirs[there])
    off[off <= NOISE * size.max(initial=0.0)] = 0.0
    apart[there] = off / np.maximum(size, 1e-300)
    return apart
