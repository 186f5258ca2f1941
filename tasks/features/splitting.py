"""Chooses the split and checks its parts."""

import numpy as np
import polars as pl

from tasks.core.errors import DataError
from tasks.core.plugins import Plugin
from tasks.core.schema import Table, by_role

MIN_TRAIN = 5  # rows: below, 5 folds cannot be had


def chosen(plugins: list[Plugin], spec: Table) -> Plugin:
    """Return the split: a column of role split decides, else the one named, else by the roles."""
    splits = {p.name: p for p in plugins if p.kind == "split"}
    named = [name for name in splits if name != "given"]
    if by_role(spec.columns, "split") or not named:
        return splits["given"]
    if len(named) == 1:
        return splits[named[0]]
    if by_role(spec.columns, "time"):
        return splits["by_time"]
    if by_role(spec.columns, "group"):
        return splits["by_group"]
    return splits["stratified" if spec.task == "classification" else "at_random"]


def checked(frame: pl.DataFrame, spec: Table, parts: dict[str, np.ndarray], judged: str) -> None:
    """Check that the parts can be trained and judged on.

    Raises:
        DataError: too few rows, one class in train, or a class elsewhere that train does not have.
    """
    sizes = ", ".join(f"{len(rows)} {part}" for part, rows in parts.items())
    if len(parts["train"]) < MIN_TRAIN or not all(len(rows) for rows in parts.values()):
        raise DataError(
            f"the split leaves too few rows ({sizes}, of {len(frame)}): at least {MIN_TRAIN} to "
            f"train on and 1 in every other part are needed. Get more rows, or change the split."
        )
    train = frame[spec.target][parts["train"]]
    if train.n_unique() < 2:
        raise DataError(
            f"target {spec.target!r}: the training part ({sizes}) has the single value "
            f"{train[0]!r}, so there is nothing to learn; choose another split "
            "(features.split.name)"
        )
    if spec.task != "classification":
        return
    known = train.unique()
    for part, rows in parts.items():
        values = frame[spec.target][rows]
        new = values.filter(~values.is_in(known.implode()))
        if len(new):
            shown = ", ".join(str(v) for v in new.unique().sort().to_list()[:5])
            raise DataError(
                f"target {spec.target!r}: {part} has classes that train does not have: {shown} "
                f"({len(new)} rows). Choose another split (features.split.name: stratified keeps "
                f"every class in train), or remove these classes."
            )
