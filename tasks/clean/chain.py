"""Runs the steps one after the other and accounts for each.

A step is a module of `tasks.clean.steps` with

    class Params(PluginParams)
    def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]
    def note(before: pl.DataFrame, columns: Columns, params: Params) -> str      (optional)

`apply` adds lazy expressions; it may first compute a few numbers of the table (`frames.collect`).
It keeps `__row__` as it is, keeps the order of rows, makes no new rows, keeps the target, and
changes nothing where it was applied already. `note` says in words what the numbers do not.
"""

from typing import Any

import polars as pl

from tasks.clean import accounting
from tasks.core import frames, progress
from tasks.core.errors import DataError
from tasks.core.plugins import Plugin
from tasks.core.schema import Columns


def run(
    frame: pl.DataFrame, columns: Columns, steps: list[Plugin], device: str = "cpu"
) -> tuple[pl.DataFrame, Columns, list[dict[str, Any]]]:
    """Return the table and the columns after all steps, and an account of each step.

    Raises:
        DataError: a step left no row.
        ParamsError: a step names columns that are not there.
    """
    accounts = []
    for position, step in enumerate(steps):
        progress.report(position / len(steps), step.name)
        module, params = step.module, step.typed
        lazy, next_columns = module.apply(frame.lazy(), columns, params)
        after = frames.collect(lazy, device)
        words = module.note(frame, columns, params) if hasattr(module, "note") else ""
        accounts.append(accounting.account(step.name, frame, after, words))
        if after.height == 0 and frame.height:
            raise DataError(
                f"clean: step {step.name!r} left none of {frame.height} rows. Change its params in "
                "clean.steps, or leave it out."
            )
        frame, columns = after, next_columns
    return frame, columns, accounts
