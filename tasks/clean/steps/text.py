"""Makes text equal that differs in blanks only: strips, one blank for many, empty to missing.

Case is kept unless asked for: `us` and `US` may be two things.
"""

from typing import Literal

import polars as pl
from pydantic import Field

from tasks.core.frames import require_columns
from tasks.core.plugins import PluginParams
from tasks.core.schema import Columns

SCOPE = "table"  # of the names of two series it may make one


class Params(PluginParams):
    """`columns`: which; empty for all of type category and text. `collapse`: of categories only."""

    columns: list[str] = Field(default=[])
    strip: bool = True
    collapse: bool = True
    case: Literal["keep", "lower", "upper"] = "keep"
    empty: Literal["missing", "keep"] = "missing"


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with unified text."""
    require_columns("clean.steps.text.columns", params.columns, columns)
    schema = frame.collect_schema()
    names = [
        name
        for name, column in columns.items()
        if schema[name] == pl.String
        and (name in params.columns if params.columns else column.role != "ignore")
    ]
    return frame.with_columns(_unified(name, columns, params) for name in names), columns


def _unified(name: str, columns: Columns, params: Params) -> pl.Expr:
    text = pl.col(name)
    if params.strip:
        text = text.str.strip_chars()
    if params.collapse and columns[name].type != "text":
        text = text.str.replace_all(r"\s+", " ")
    if params.case == "lower":
        text = text.str.to_lowercase()
    elif params.case == "upper":
        text = text.str.to_uppercase()
    if params.empty == "missing" and columns[name].role != "target":
        text = pl.when(text != "").then(text).otherwise(None)
    return text.alias(name)
