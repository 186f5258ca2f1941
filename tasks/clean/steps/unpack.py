"""Takes records apart that stand in a text column, as JSON or as Python writes a dict.

`{'indoor': False, 'location': {'latitude': 36.0}}` in `metadata` becomes `metadata_indoor` and
`metadata_location_latitude`. Lists are not taken apart; what they say is counted. Not for columns
with a record of its own in every row: read them as a nested file.
"""

import ast
import json
from typing import Any, Literal

import polars as pl
from pydantic import Field

from tasks.clean.findings import Finding, finding
from tasks.core.frames import require_columns
from tasks.core.plugins import PluginParams
from tasks.core.schema import ROW, Column, Columns, Type

MOST_KINDS = 10_000  # different records of a column
SHOWN = 20


class Params(PluginParams):
    """`columns`: which; empty: every text that looks like a record."""

    columns: list[str] = Field(default=[])
    role: Literal["ignore", "feature"] = Field(default="ignore", description="of what is made")


def looks(params: Params) -> bool:
    """Return True: records say which columns there will be."""
    return True


def apply(frame: pl.LazyFrame, columns: Columns, params: Params) -> tuple[pl.LazyFrame, Columns]:
    """Return the frame with a column for each value of the records, the texts gone."""
    require_columns("clean.steps.unpack.columns", params.columns, columns)
    made = dict(columns)
    for name in _looked_at(frame, columns, params):
        texts = frame.select(pl.col(name).drop_nulls().unique().sort()).collect()[name]
        records = [_record(text) for text in texts.head(MOST_KINDS)]
        if not any(isinstance(record, dict) for record in records):
            continue
        flat = [_flat(r) if isinstance(r, dict) else {} for r in records]
        table = _table(name, texts.head(MOST_KINDS), flat)
        fresh = [n for n in table.columns if n != name and n not in made]
        table = table.select(name, *fresh)
        frame = frame.join(table.lazy(), on=name, how="left", maintain_order="left").drop(name)
        del made[name]
        for new in fresh:
            made[new] = Column(type=_type(table.schema[new]), role=params.role)
    return frame, made


def findings(
    before: pl.DataFrame, after: pl.DataFrame, columns: Columns, params: Params
) -> list[Finding]:
    """Return records that vary or cannot be read, and what lists say."""
    found = []
    for name in _looked_at(before.lazy(), columns, params):
        kinds = before.group_by(name).agg(n=pl.len(), row=pl.min(ROW)).drop_nulls(name)
        for text, n, row in kinds.sort("row").head(MOST_KINDS).iter_rows():
            record = _record(text)
            if isinstance(record, list) and record:
                said = "; ".join(str(each) for each in record)[:120]
                found.append(finding("says", name, said, n, row))
            elif record is None:
                found.append(finding("cannot be read as a record", name, text[:60], n, row))
        if name not in after.columns and len(kinds) > 1:
            found.append(finding("different records", name, "taken apart", len(kinds)))
    return found[:SHOWN]


def _looked_at(frame: pl.LazyFrame, columns: Columns, params: Params) -> list[str]:
    schema = frame.collect_schema()
    texts = [n for n, c in columns.items() if schema[n] == pl.String and c.role != "target"]
    if params.columns:
        return [name for name in texts if name in params.columns]
    if not texts:
        return []
    looks = frame.select(pl.col(texts).str.contains(r"^\s*[\[{].*[\]}]\s*$").mean() > 0.9).collect()
    return [name for name in texts if looks[name][0]]


def _record(text: str) -> Any:
    """Return what a text stands for; None where it is neither JSON nor a Python literal."""
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        return found if isinstance(found, dict | list) else None
    return None


def _flat(record: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in record.items():
        name = f"{before}{key}"
        if isinstance(value, dict):
            found |= _flat(value, f"{name}_")
        else:
            found[name] = value if isinstance(value, bool | int | float | None) else str(value)
    return found


def _table(name: str, texts: pl.Series, records: list[dict[str, Any]]) -> pl.DataFrame:
    keys = dict.fromkeys(key for record in records for key in record)
    made = [texts]
    for key in keys:
        values = [record.get(key) for record in records]
        kinds = {type(value) for value in values if value is not None}
        if kinds <= {bool}:
            dtype: Any = pl.Boolean
        elif kinds <= {int, float}:
            dtype, values = pl.Float64, [None if v is None else float(v) for v in values]
        else:
            dtype, values = pl.String, [None if v is None else str(v) for v in values]
        made.append(pl.Series(f"{name}_{key}", values, dtype=dtype))
    return pl.DataFrame(made)


def _type(dtype: pl.DataType) -> Type:
    if dtype == pl.Boolean:
        return "boolean"
    return "float" if dtype == pl.Float64 else "category"
