"""What columns are for, guessed from their names and values; each guess with its reason."""

import re
from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from tasks.core.schema import Role, Type

SPLIT_NAMES = ("split", "subset", "partition", "set", "fold")
PARTS = {"train", "val", "test"}
TIME_NAMES = ("timestamp", "datetime", "date", "time", "day", "ts")
ID_NAME = re.compile(  # of the name in small letters
    r"(^|[\W_])(id|ids|nr|no|uuid|guid|rowid|index)$|^unnamed_\d+$|^row_name$"
    r"|^(obj|spec|specobj|user|customer|client|patient|order|item|product|session|account|store"
    r"|person|employee|student|member|plate|fiber|manga|passenger|house|record|sample|case)_?id$"
)
CAMEL_ID = re.compile(r"[a-z](ID|Id|No)$|[A-Za-z]Nr$|[A-Z]nr$")
MIN_UNIQUE = 20  # distinct values from which on all-different means something


class RoleGuess(NamedTuple):
    """A role, why, and what else it might be."""

    role: Role
    reason: str
    suggestion: str | None = None


def roles(
    values: Callable[[str], pl.Series], types: dict[str, Type], target: str | None
) -> dict[str, RoleGuess]:
    """Return a guess for every column of `types` but the target; `values` gives a column's."""
    found: dict[str, RoleGuess] = {}
    for name, kind in types.items():
        if name != target:
            found[name] = _role(values(name), kind)
    times = [name for name, kind in types.items() if kind == "datetime" and name in found]
    times = [name for name in times if found[name].role == "feature"]
    if times:
        chosen = min(times, key=lambda name: _time_rank(name, values(name)))
        for name in times:
            found[name] = (
                RoleGuess("time", "dates and times; splits follow it")
                if name == chosen
                else RoleGuess("ignore", f"a second clock beside {chosen}")
            )
    splits = [name for name in found if found[name].role == "split"]
    for name in splits[1:]:
        found[name] = RoleGuess("ignore", f"a second split beside {splits[0]}")
    return found


def _role(values: pl.Series, kind: Type) -> RoleGuess:
    name = values.name
    if kind == "image":
        return RoleGuess("feature", "images")
    present = len(values) - values.null_count()
    if present == 0:
        return RoleGuess("ignore", "all values are missing")
    distinct = values.drop_nulls().n_unique()
    if distinct == 1:
        return RoleGuess("ignore", f"constant: always {_short(values.drop_nulls()[0])}")
    if kind in ("category", "text") and name.lower() in SPLIT_NAMES:
        parts = set(values.drop_nulls().unique().str.to_lowercase())
        if parts <= PARTS and "train" in parts:
            return RoleGuess("split", "holds " + ", ".join(sorted(parts)))
    unique = distinct == present and distinct >= MIN_UNIQUE
    if kind in ("integer", "category", "text") and (
        ID_NAME.search(name.lower()) or CAMEL_ID.search(name)
    ):
        if unique:
            return RoleGuess("ignore", "an identifier: every value differs")
        return RoleGuess(
            "ignore",
            f"named like an identifier, {distinct} distinct values",
            "role: group keeps the rows of one value in one part (split by_group)",
        )
    if kind == "integer" and unique and values.null_count() == 0:
        steps = values.diff().drop_nulls()
        if (steps == 1).all():
            return RoleGuess("ignore", "a counter: each row is one more than the last")
    if kind == "text":
        return RoleGuess("ignore", f"free text: {distinct} distinct values in {present} rows")
    if kind == "category" and 2 * distinct > present and distinct > MIN_UNIQUE:
        return RoleGuess("ignore", f"{distinct} distinct texts in {present} rows: too few of each")
    return RoleGuess("feature", f"{distinct} distinct values")


def _time_rank(name: str, values: pl.Series) -> tuple[int, int]:
    """Return a key that sorts the clock first: by its name, then by how many moments it knows."""
    known = [i for i, word in enumerate(TIME_NAMES) if name.lower() == word]
    return (known[0] if known else len(TIME_NAMES), -values.n_unique())


def _short(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= 30 else text[:29] + "…")
