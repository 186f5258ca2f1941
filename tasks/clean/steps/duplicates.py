"""Removes rows that say again what an earlier row said (exact, `__row__` aside; the first stays).

In a table with a time column or images, equal rows are one thing written down twice (overlapping
exports, a copied file), and twice in the data they may end in both parts of the split. Without,
they may be two things: 15 of the 445 men in a well-known study have a twin in every column, and
leaving them out would change the answer. So by default such rows stay, and the account says how
many they are.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from tasks.clean.findings import Finding, finding
from tasks.core.frames import require_columns
from tasks.core.plugins import PluginParams
from tasks.core.schema import ROW, Columns, by_role


class Params(PluginParams):
    """`subset`: rows equal in these columns are duplicates, whatever the others say; empty: in all.

    `when`: `auto` removes where there is a time column, an image or a `subset`.
    """

    subset: list[str] = Field(default=[])
    keep: Literal["first", "last", "none"] = "first"
    when: Literal["auto", "always", "never"] = "auto"


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame without repeated rows."""
    require_columns("clean.steps.duplicates.subset", params.subset, columns)
    if not _removes(columns, params):
        return frame, columns
    names = params.subset or [name for name in frame.collect_schema().names() if name != ROW]
    return frame.unique(subset=names, keep=params.keep, maintain_order=True), columns


def note(before: pl.DataFrame, columns: Columns, params: Params) -> str:
    """Return how many equal rows were left in."""
    if _removes(columns, params):
        return ""
    names = params.subset or [name for name in before.columns if name != ROW]
    repeats = before.height - before.select(names).unique(maintain_order=False).height
    if not repeats:
        return ""
    return (
        f"{repeats} rows repeat an earlier one and stay: without a time column they may be "
        "different things. `duplicates: {when: always}` removes them"
    )


def findings(
    before: pl.DataFrame, after: pl.DataFrame, columns: Columns, params: Params
) -> list[Finding]:
    """Return how many equal rows were removed."""
    gone = before.select(ROW).join(after.select(ROW), on=ROW, how="anti")
    if gone.is_empty():
        return []
    first = gone[ROW].min()
    return [finding("row repeats an earlier one", "", "removed", gone.height, first)]


def _removes(columns: Columns, params: Params) -> bool:
    if params.when == "auto":
        images = any(column.type == "image" for column in columns.values())
        return bool(params.subset or images or by_role(columns, "time"))
    return params.when == "always"
