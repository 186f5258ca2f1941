"""Accounts for a step: rows and cells it touched, by comparing the tables before and after."""

from typing import Any

import polars as pl

from tasks.core.schema import ROW


def account(step: str, before: pl.DataFrame, after: pl.DataFrame, note: str = "") -> dict[str, Any]:
    """Return what a step did.

    `rows_touched`: rows removed, and rows with a changed cell. `cells_touched`: changed cells of
    the rows that are still there. A cell is changed if its value differs from the one before in the
    type of after: a float64 rounded to float32 is not, NaN made missing is. `columns`: changed
    cells each.

    Raises:
        RuntimeError: the step made rows, or changed their order: a fault of the step.
    """
    kept = _aligned(step, before, after)
    known = set(kept.columns) - {ROW}
    both = [name for name in after.columns if name in known]
    changed = pl.DataFrame(
        [kept[n].cast(after[n].dtype, strict=False).ne_missing(after[n]) for n in both]
    )
    per_column = {
        name: count
        for name, count in (changed.sum().row(0, named=True) if both else {}).items()
        if count
    }
    rows_changed = changed.select(pl.any_horizontal(*per_column).sum()).item() if per_column else 0
    words = [note, *_structure(before, after)]
    return {
        "step": step,
        "rows_before": before.height,
        "rows_after": after.height,
        "rows_touched": before.height - after.height + rows_changed,
        "cells_touched": sum(per_column.values()),
        "columns": per_column,
        "note": "; ".join(word for word in words if word),
    }


def _aligned(step: str, before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `before` that are still in `after`, which must have them in that order."""
    if before.height != after.height:
        before = before.filter(pl.col(ROW).is_in(after[ROW].implode()))
    if not before[ROW].equals(after[ROW]):
        raise RuntimeError(f"clean step {step} made rows or changed their order")
    return before


def _structure(before: pl.DataFrame, after: pl.DataFrame) -> list[str]:
    words = []
    old, new = before.schema, after.schema  # made anew at each access
    if gone := [name for name in old if name not in new]:
        words.append(f"removed {', '.join(gone)}")
    if made := [name for name in new if name not in old]:
        words.append(f"added {', '.join(made)}")
    casts: dict[str, list[str]] = {}
    for name, dtype in new.items():
        if name in old and old[name] != dtype:
            casts.setdefault(f"{old[name]} to {dtype}", []).append(name)
    return words + [f"{cast}: {', '.join(names)}" for cast, names in casts.items()]
