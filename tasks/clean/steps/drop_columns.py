"""Removes columns: identifiers, and what is known only after the target; none that a role needs."""

import polars as pl
from pydantic import Field

from tasks.core.errors import ParamsError
from tasks.core.frames import require_columns
from tasks.core.plugins import PluginParams
from tasks.core.schema import Columns

SCOPE = "row"


class Params(PluginParams):
    """`columns`: which; `missing_ok`: one that is not there is no error."""

    columns: list[str] = Field(default=[])
    missing_ok: bool = False


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame without these columns.

    Raises:
        ParamsError: one of them is not there, or is the target, time, group or split column.
    """
    if not params.missing_ok:
        require_columns("clean.steps.drop_columns.columns", params.columns, columns)
    problems = [
        f"clean.steps.drop_columns.columns: {name!r} is the {columns[name].role} column"
        for name in params.columns
        if name in columns and columns[name].role not in ("feature", "ignore")
    ]
    if problems:
        raise ParamsError("\n".join(problems))
    left = {name: column for name, column in columns.items() if name not in params.columns}
    return frame.drop(params.columns, strict=False), left
