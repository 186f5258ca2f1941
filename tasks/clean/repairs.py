"""When a step repaired what: its cells and rows by day, as entries of its account.

An entry is [day, column, what, count], as JSON has it. `what`: `emptied`, `filled` or `changed`
cells of a column, or rows `removed`, whose column is "". Days are of the table's first time column,
where it is one.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import polars as pl

from tasks.core.schema import ROW, Columns, by_role

MOST_DAYS = 400  # with entries; of more, those of a month or a year go together

Repair = list[Any]


def of(
    before: pl.DataFrame, after: pl.DataFrame, changed: pl.DataFrame, columns: Columns
) -> list[Repair]:
    """Return the entries of a step; none where no column says when.

    Args:
        before: the table before.
        after: the table after, the rows that are left in the same order.
        changed: (row of after,) bool, by column: which cells are not as they were.
        columns: of the table before.
    """
    times = [n for n in by_role(columns, "time") if before.schema[n] in (pl.Date, pl.Datetime)]
    if not times:
        return []
    found: list[Repair] = []
    if before.height != after.height:
        stays = before[ROW].is_in(after[ROW].implode())
        found = _counted(before[times[0]].filter(~stays), "", "removed")
        before = before.filter(stays)
    for name in changed.columns:
        emptied, filled = after[name].is_null(), before[name].is_null()
        masks = {"emptied": emptied, "filled": filled, "changed": ~emptied & ~filled}
        for what, mask in masks.items():
            found += _counted(before[times[0]].filter(mask & changed[name]), name, what)
    return found


def merged(parts: Iterable[list[Repair]]) -> list[Repair]:
    """Return the entries of all parts of a table, counts added, by months where days are many."""
    given = [entry for part in parts for entry in part]
    total: Counter[tuple[str, str, str]] = Counter()
    for kept, first in ((10, ""), (7, "-01"), (4, "-01-01")):  # days, months, years
        total.clear()
        for day, column, what, count in given:
            total[day[:kept] + first, column, what] += count
        if len({day for day, *_ in total}) <= MOST_DAYS:
            break
    return [[*key, count] for key, count in sorted(total.items())]


def _counted(times: pl.Series, column: str, what: str) -> list[Repair]:
    counts = times.cast(pl.Date).drop_nulls().value_counts()
    return [[str(day), column, what, count] for day, count in counts.iter_rows()]
