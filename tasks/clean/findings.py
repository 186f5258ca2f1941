"""What a step found, as entries of its account: few, countable, and the same summed over parts.

An entry has `what` (a sentinel, a gap, a mix-up ...), `column` (or ""), `detail` (a value, a unit,
a group), `count`, and `first_row` where there is one: of the raw data, until a step makes new rows.
"""

from collections.abc import Iterable
from typing import Any

import polars as pl

from tasks.core.schema import ROW

MOST = 200  # entries of a step
VALUES = 5  # told one by one, of a column's values that were taken out

Finding = dict[str, Any]


def finding(what: str, column: str, detail: str, count: Any, first_row: Any = None) -> Finding:
    """Return one entry; count and row are whole numbers of any type."""
    return {
        "what": what,
        "column": column,
        "detail": detail,
        "count": int(count),
        "first_row": None if first_row is None else int(first_row),
    }


def emptied(
    what: str, before: pl.DataFrame, after: pl.DataFrame, names: Iterable[str], by_value: bool
) -> list[Finding]:
    """Return an entry a column (or a column and value) for the cells that became missing.

    Args:
        what: what the values were.
        before: the table before, the same rows in the same order as `after`.
        after: the table after.
        names: the columns looked at.
        by_value: whether each value has an entry; the rarest are told together.
    """
    found = []
    for name in names:
        gone = before.filter(before[name].is_not_null() & after[name].is_null())
        if gone.is_empty():
            continue
        if not by_value:
            found.append(finding(what, name, "", gone.height, _first(gone)))
            continue
        values = gone.select(value=name).group_by("value").len()
        often = values.sort("len", "value", descending=[True, False])["value"].head(VALUES)
        for value in often:
            rows = gone.filter(gone[name] == value)
            found.append(finding(what, name, f"{value:g}", rows.height, _first(rows)))
        rest = gone.filter(~gone[name].is_in(often.implode()))
        if rest.height:
            found.append(finding(what, name, "others", rest.height, _first(rest)))
    return found


def shifted(found: list[Finding], offset: int) -> list[Finding]:
    """Return findings whose row numbers are larger by so much."""
    rows = [None if each["first_row"] is None else each["first_row"] + offset for each in found]
    return [each | {"first_row": row} for each, row in zip(found, rows, strict=True)]


def merged(parts: Iterable[list[Finding]]) -> list[Finding]:
    """Return the findings of all parts of a table: counts added, the first row of all."""
    together: dict[tuple[str, str, str], Finding] = {}
    for part in parts:
        for each in part:
            key = (each["what"], each["column"], each["detail"])
            old = together.get(key)
            rows = [f["first_row"] for f in (old, each) if f and f["first_row"] is not None]
            total = each["count"] + (old["count"] if old else 0)
            together[key] = finding(*key, total, min(rows, default=None))
    return list(together.values())


def few(found: list[Finding]) -> list[Finding]:
    """Return at most `MOST` entries, the last one saying how many more there are."""
    if len(found) <= MOST:
        return found
    left = found[MOST - 1 :]
    return [
        *found[: MOST - 1],
        finding("more of the kind", "", f"{len(left)} entries", sum(f["count"] for f in left)),
    ]


def words(found: list[Finding]) -> str:
    """Return the entries as one line for people."""
    said = []
    for each in found[:6]:
        row = f", first in row {each['first_row']}" if each["first_row"] is not None else ""
        parts = [each["what"], each["column"], each["detail"]]
        said.append(f"{' '.join(filter(None, parts))}: {each['count']}{row}")
    more = [f"{len(found) - 6} findings more"] if len(found) > 6 else []
    return "; ".join(said + more)


def _first(rows: pl.DataFrame) -> int:
    return rows.select(pl.col(ROW).min()).item()
