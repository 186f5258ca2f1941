"""Accounts for a step: rows and cells it touched, by comparing the tables before and after."""

from types import ModuleType
from typing import Any, Literal

import polars as pl

from tasks.clean import findings, repairs
from tasks.core.schema import ROW, Columns

Kind = Literal["keeps", "reorders", "makes"]
NOT_COUNTED = "cells, findings and repairs were not counted (clean.accounts: rows)"
SUMS = ("rows_before", "rows_after", "rows_touched", "cells_touched", "rows_made")


def kind(module: ModuleType) -> Kind:
    """Return what a step does to rows: keeps them and their order, reorders, or makes new ones."""
    if getattr(module, "MAKES_ROWS", False):
        return "makes"
    return "reorders" if getattr(module, "REORDERS", False) else "keeps"


def account(
    step: str,
    before: pl.DataFrame,
    after: pl.DataFrame,
    note: str = "",
    kind: Kind = "keeps",
    columns: Columns | None = None,
) -> dict[str, Any]:
    """Return what a step did.

    `rows_touched`: rows removed, and rows with a changed cell. `cells_touched`: changed cells of
    the rows that are still there. A cell is changed if its value differs from the one before in the
    type of after: a float64 rounded to float32 is not, NaN made missing is. `columns`: changed
    cells each. Where the step makes new rows, all before are touched and no cell can be compared.
    `repairs`: see `repairs`; of `columns`, which tells the time column.

    Raises:
        RuntimeError: the step made rows, or changed their order, and does not say so: a fault of
            the step.
    """
    if kind == "makes":
        return noted(made(step, before.height, before.schema, after.height, after.schema), note)
    if kind == "reorders":
        before, after = before.sort(ROW), after.sort(ROW)
    kept = _aligned(step, before, after)
    known = set(kept.columns) - {ROW}
    both = [name for name in after.columns if name in known]
    changed = pl.DataFrame(
        [kept[n].cast(after[n].dtype, strict=False).ne_missing(after[n]) for n in both]
    )
    sums = changed.sum().row(0, named=True) if both else {}
    per_column = {name: count for name, count in sums.items() if count}
    rows_changed = 0
    if per_column:
        rows_changed = changed.select(pl.any_horizontal(*per_column).sum()).item()
    entry = {
        "step": step,
        "rows_before": before.height,
        "rows_after": after.height,
        "rows_touched": before.height - after.height + rows_changed,
        "cells_touched": sum(per_column.values()),
        "columns": per_column,
        "repairs": repairs.of(before, after, changed.select(*per_column), columns or {}),
        "note": "; ".join(_structure(before.schema, after.schema)),
    }
    return noted(entry | ({} if kind == "keeps" else {"rows": kind}), note)


def made(
    step: str, rows_before: int, before: pl.Schema, rows_after: int, after: pl.Schema
) -> dict[str, Any]:
    """Return what a step did that made new rows: all before are touched, no cell is compared."""
    return {
        "step": step,
        "rows_before": rows_before,
        "rows_after": rows_after,
        "rows_touched": rows_before,
        "cells_touched": 0,
        "columns": {},
        "repairs": [],
        "note": "; ".join(_structure(before, after)),
        "rows": "makes",
    }


def of_rows(
    steps: str,
    rows_before: int,
    before: pl.Schema,
    rows_after: int,
    after: pl.Schema,
    rows_made: int | None = None,
) -> dict[str, Any]:
    """Return what steps did that are one plan: rows are counted, nothing is compared (None).

    rows_made: how many the last step made that makes rows; None: none does.
    """
    entry = made(steps, rows_before, before, rows_after, after) | {"cells_touched": None}
    if rows_made is None:
        del entry["rows"]
        entry["rows_touched"] = None
    else:
        entry["rows_made"] = rows_made
    return noted(entry, NOT_COUNTED)


def noted(account: dict[str, Any], note: str) -> dict[str, Any]:
    """Return an account with words before those that it has."""
    return account | {"note": "; ".join(filter(None, (note, account["note"])))}


def told(account: dict[str, Any]) -> dict[str, Any]:
    """Return an account whose note tells what its numbers and findings say."""
    if account.get("rows") == "makes":
        account = noted(account, f"{account['rows_before']} rows became {account['rows_after']}")
    if "found" not in account:
        return account
    found = findings.few(account["found"])
    return noted(account, findings.words(found)) | {"found": found}


def _aligned(step: str, before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `before` that are still in `after`, which must have them in that order."""
    if before.height != after.height:
        before = before.filter(pl.col(ROW).is_in(after[ROW].implode()))
    if not before[ROW].equals(after[ROW]):
        raise RuntimeError(f"clean step {step} made rows or changed their order")
    return before


def _structure(old: pl.Schema, new: pl.Schema) -> list[str]:
    words = []
    if gone := [name for name in old if name not in new]:
        words.append(f"removed {', '.join(gone)}")
    if added := [name for name in new if name not in old]:
        words.append(f"added {', '.join(added)}")
    casts: dict[str, list[str]] = {}
    for name, dtype in new.items():
        if name in old and old[name] != dtype:
            casts.setdefault(f"{old[name]} to {dtype}", []).append(name)
    return words + [f"{cast}: {', '.join(names)}" for cast, names in casts.items()]
