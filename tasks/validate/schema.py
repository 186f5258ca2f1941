"""The row checks: `columns` as a Pandera schema, and the cells that fail it."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import polars as pl

from tasks.core import distinct
from tasks.core.errors import DataError
from tasks.core.schema import ROW, Column, Columns

BLOCK = 32  # columns a Pandera schema: its cost a column grows with the width of the frame
ROWS = 2**20  # rows that are checked at once
NEEDED = ("target", "time", "group", "split")  # a row without one of these has no place in the run
CELLS = {ROW: pl.UInt32, "column": pl.String, "value": pl.String, "reason": pl.String}
_TYPES: dict[str, tuple[str, ...]] = {
    "float": ("Float64", "Float32"),
    "integer": ("Int64", "Int32", "Int16", "Int8", "UInt8", "UInt16", "UInt32", "UInt64"),
    "boolean": ("Boolean",),
    "category": ("String", "Categorical", "Enum"),
    "text": ("String",),
    "datetime": ("Datetime", "Date"),
    "image": ("Array",),
}


class Rule(NamedTuple):
    """One check of one column: its name, what it expects, the reason given for a failing cell."""

    column: str
    check: str
    expected: str
    reason: str
    argument: Any = None


def rules(columns: Columns, dtypes: dict[str, pl.DataType], series: bool = False) -> list[Rule]:
    """Return the checks that `columns` ask for, of the columns that the table has.

    series: rows are put together later, or are a forecast's windows: one without a target still
    says something.
    """
    found: list[Rule] = []
    needed = [role for role in NEEDED if role != "target" or not series]
    for name, column in columns.items():
        if name not in dtypes or column.role == "ignore" or column.type == "image":
            continue
        if column.role in needed:
            found.append(Rule(name, "not_null", "a value", f"no {column.role}"))
        elif not column.nullable:
            found.append(Rule(name, "not_null", "a value", "missing"))
        if dtypes[name].is_float() and (column.role in NEEDED or not column.nullable):
            found.append(Rule(name, "finite", "a finite number", "not a finite number"))
        if column.min is not None:
            found.append(Rule(name, "minimum", f">= {column.min:.12g}", "", column.min))
        if column.max is not None:
            found.append(Rule(name, "maximum", f"<= {column.max:.12g}", "", column.max))
        if column.values is not None:
            shown = ", ".join(str(value) for value in column.values[:12])
            expected = f"one of {shown}" + (", ..." if len(column.values) > 12 else "")
            found.append(Rule(name, "allowed", expected, "", _values(name, column, dtypes[name])))
        if column.unique:
            found.append(Rule(name, "unique", "no value twice", "occurs already"))
    words = {"minimum": "not {}", "maximum": "not {}", "allowed": "not {}"}
    return [
        rule._replace(reason=rule.reason or words[rule.check].format(rule.expected))
        for rule in found
    ]


def shape_problems(columns: Columns, dtypes: dict[str, pl.DataType], target: str) -> list[str]:
    """Return what is wrong with the table's columns as such: absent, or of another type."""
    problems = []
    if target not in dtypes:
        problems.append(f"target column {target!r} is not in the table. It has: {_some(dtypes)}.")
    for name, column in columns.items():
        if name not in dtypes:
            if column.required and name != target:
                problems.append(f"column {name!r} is not in the table. It has: {_some(dtypes)}.")
        elif column.type and dtypes[name].base_type().__name__ not in _TYPES[column.type]:
            problems.append(
                f"column {name!r}: expected type {column.type}, found {dtypes[name]}. "
                f"Correct the data, or columns.{name}.type in params.yaml."
            )
    return problems


def checked_view(table: pl.LazyFrame) -> pl.LazyFrame:
    """Return the table with NaN and blank text as missing: what the checks look at."""
    return table.with_columns(
        pl.selectors.float().fill_nan(None),
        pl.when(pl.selectors.string().str.strip_chars() != "")
        .then(pl.selectors.string())
        .otherwise(None),
    )


def failing_cells(table: pl.LazyFrame, asked: list[Rule]) -> pl.DataFrame:
    """Return every cell that fails a rule: row, column, value, reason, check; in table order.

    All rows and all rules are checked, so many rows at a time; `table` is a `checked_view`.
    """
    of_rows, of_columns = _by_column(asked, unique=False), _by_column(asked, unique=True)
    names = list(of_rows)
    found = [pl.DataFrame(schema={**CELLS, "check": pl.String})]
    rows = table.select(pl.len()).collect().item()
    with _without_pandas():
        for first in range(0, rows if names else 0, ROWS):
            frame = table.select(ROW, *names).slice(first, ROWS).collect()
            for start in range(0, len(names), BLOCK):
                block = {name: of_rows[name] for name in names[start : start + BLOCK]}
                found += _failures(frame, block)
        for name, rules_ in of_columns.items():
            twice = distinct.twins(table.select(ROW, name).drop_nulls(name), [name])
            found += _failures(twice, {name: rules_})
    positions = {rule.column: position for position, rule in reversed([*enumerate(asked)])}
    order = pl.DataFrame(
        {"column": list(positions), "position": list(positions.values())},
        schema={"column": pl.String, "position": pl.UInt32},
    )
    return (
        pl.concat(found)
        .join(order, on="column", how="left", maintain_order="left")
        .sort(ROW, "position", maintain_order=True)
        .drop("position")
    )


def _by_column(asked: list[Rule], unique: bool) -> dict[str, list[Rule]]:
    """Return by column the rules that need all of its values, or those that look at one row."""
    found: dict[str, list[Rule]] = {}
    for rule in asked:
        if (rule.check == "unique") == unique:
            found.setdefault(rule.column, []).append(rule)
    return found


def pandera_schema(block: dict[str, list[Rule]], dtypes: dict[str, pl.DataType]):
    """Return the Pandera schema of some columns with their rules."""
    import pandera.polars as pa

    def checks(asked: list[Rule]) -> list[Any]:
        made = {
            "minimum": lambda rule: pa.Check.ge(rule.argument, **options(rule)),
            "maximum": lambda rule: pa.Check.le(rule.argument, **options(rule)),
            "allowed": lambda rule: pa.Check.isin(rule.argument, **options(rule)),
            "finite": lambda rule: pa.Check(_finite, **options(rule)),
            "unique": lambda rule: pa.Check(_first_of_its_kind, **options(rule)),
        }
        return [made[rule.check](rule) for rule in asked if rule.check != "not_null"]

    def options(
        rule: Rule,
    ) -> dict[str, Any]:  # the message needs few cases: `check_output` has all
        return {"name": rule.check, "error": rule.reason, "n_failure_cases": 1}

    return pa.DataFrameSchema(
        {
            name: pa.Column(
                dtypes[name],
                checks=checks(asked),
                nullable=all(rule.check != "not_null" for rule in asked),
            )
            for name, asked in block.items()
        }
    )


def _failures(frame: pl.DataFrame, block: dict[str, list[Rule]]) -> list[pl.DataFrame]:
    from pandera.constants import CHECK_OUTPUT_KEY
    from pandera.errors import SchemaErrors

    part = frame.select(block.keys())
    try:
        pandera_schema(block, dict(part.schema)).validate(part, lazy=True)
    except SchemaErrors as errors:
        found = []
        for error in errors.schema_errors:
            name = error.schema.name
            check = (
                error.check if isinstance(error.check, str) else getattr(error.check, "name", "")
            )
            check = "not_null" if check == "not_nullable" else check
            rule = next((r for r in block[name] if r.check == check), None)
            if rule is None or not isinstance(error.check_output, pl.DataFrame):
                raise RuntimeError(f"column {name}: {check}: {error}") from error
            failed = ~error.check_output[CHECK_OUTPUT_KEY]
            found.append(_cells(frame, name, failed, rule))
        return found
    return []


def _cells(frame: pl.DataFrame, name: str, failed: pl.Series, rule: Rule) -> pl.DataFrame:
    reason: pl.Expr = pl.lit(rule.reason)
    if rule.check == "unique":
        first = pl.col(ROW).first().over(name)
        reason = pl.format("occurs already in row {}", first)
    return (
        frame.select(
            ROW,
            pl.lit(name).alias("column"),
            pl.col(name).cast(pl.String).alias("value"),
            reason.alias("reason"),
            pl.lit(rule.check).alias("check"),
        )
        .filter(failed)
        .cast({ROW: pl.UInt32})
    )


def _finite(data: Any) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).is_finite())


def _first_of_its_kind(data: Any) -> pl.LazyFrame:
    column = pl.col(data.key)
    return data.lazyframe.select(column.is_first_distinct() | column.is_null())


def _values(name: str, column: Column, dtype: pl.DataType) -> list[Any]:
    """Return the allowed values in the column's own type.

    Raises:
        DataError: one of them cannot be a value of the column.
    """
    if dtype == pl.Boolean:
        known = {"true": True, "1": True, "false": False, "0": False}
        values = [known.get(str(value).lower()) for value in column.values or []]
    elif dtype.is_numeric():
        kind = int if dtype.is_integer() else float
        values = [_number(value, kind) for value in column.values or []]
    else:
        values = [str(value) for value in column.values or []]
    wrong = [v for v, made in zip(column.values or [], values, strict=True) if made is None]
    if wrong:
        raise DataError(f"columns.{name}.values: {wrong} cannot be values of type {column.type}")
    return values


def _number(value: Any, kind: type) -> Any:
    try:
        return kind(value) if float(value) == kind(float(value)) else None
    except (TypeError, ValueError, OverflowError):
        return None


def _some(dtypes: dict[str, pl.DataType]) -> str:
    names = [name for name in dtypes if name != ROW]
    return ", ".join(names[:20]) + (f", ... ({len(names)} in all)" if len(names) > 20 else "")


class _NoPandas:
    """Answers `import pandas` of one thread as if it were not installed."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == "pandas" and threading.get_ident() == self.thread:
            raise ModuleNotFoundError("No module named 'pandas'", name="pandas")


@contextmanager
def _without_pandas() -> Iterator[None]:
    """Keep Pandera from importing pandas, which the Polars backend does not use.

    Pandera imports it wherever it is installed: 1.35 s instead of 0.4 s (2 cores), at its import
    and again at the first check. It supports doing without (its issue 2387).
    """
    finder: Any = _NoPandas()
    if "pandas" not in sys.modules:
        sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
