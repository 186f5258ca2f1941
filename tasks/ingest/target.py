"""What a target must be for its task; every problem is the user's, and said in one go."""

import polars as pl

from tasks.core.errors import DataError
from tasks.core.schema import Table
from tasks.ingest.conversion import Taken

MIN_ROWS = 10  # below, no part of a split would judge anything
NUMERIC = ("integer", "float")


def check_rows(count: int, name: str) -> None:
    """Raise a DataError where a table has too few rows to fit, stop and judge on."""
    if count < MIN_ROWS:
        rows = "one row" if count == 1 else f"{count} rows"
        raise DataError(f"{name}: {rows}, expected {MIN_ROWS} or more to train and to judge")


def check_target(
    rows: pl.Series,
    values: pl.Series,
    found: Taken,
    raw: pl.Series,
    table: Table,
    name: str,
    nan_is_missing: bool,
) -> None:
    """Check a target's values against the task.

    `rows` are the row numbers, `raw` the values before marks and NaN became null, `found` what they
    were taken for;
    `nan_is_missing`: params say that NaN stands for a missing label.

    Raises:
        DataError: all missing, inf or NaN, no numbers (but classes), all one value, or one class,
            or as good as every value a class of its own (classification).
    """
    where = f"{name}: target {table.target!r}"
    if not nan_is_missing:
        if raw.dtype == pl.String:
            not_numbers = raw.str.strip_chars().str.to_lowercase() == "nan"
        else:
            not_numbers = raw.is_nan() if raw.dtype.is_float() else raw.is_null() & False
        if not_numbers.any():
            raise DataError(f"{where}: {_at(rows, not_numbers, 'NaN')}; {REMEDY}")
    present = values.drop_nulls()
    if not len(present):
        raise DataError(
            f"{where}: all {len(values)} values are missing, expected values to learn from"
        )
    if values.dtype.is_float() and values.is_infinite().any():
        raise DataError(f"{where}: {_at(rows, values.is_infinite(), 'infinite')}; {REMEDY}")
    distinct = present.n_unique()
    if table.task != "classification":
        if found.type not in NUMERIC:
            example = ", ".join(repr(str(v)) for v in present.unique(maintain_order=True).head(3))
            hint = f" ({found.note})" if found.note else ""
            raise DataError(
                f"{where}: {table.task} needs numbers, found {found.type} such as {example}{hint}; "
                "correct it, or set task: classification"
            )
        if distinct == 1:
            raise DataError(
                f"{where}: always {present[0]}, nothing to learn; choose another target"
            )
        return
    if found.type in ("image", "datetime"):
        raise DataError(f"{where}: holds {found.type}s, expected classes")
    if distinct == 1:
        raise DataError(
            f"{where}: one class only ({str(present[0])!r}), expected two or more; "
            "choose another target, or give rows of the other classes"
        )
    if distinct > max(len(present) / 2, 20):
        raise DataError(
            f"{where}: {distinct} distinct values in {len(present)} rows, too many for classes; "
            "set task: regression, or choose another target"
        )


REMEDY = (
    "correct these rows, or leave their cells empty: rows without a label go to quarantine "
    "(a mark counts as empty when ingest.options.missing lists it)"
)


def _at(rows: pl.Series, condition: pl.Series, what: str) -> str:
    numbers = rows.filter(condition.fill_null(False))
    shown = ", ".join(map(str, numbers.head(5)))
    verb = "value is" if len(numbers) == 1 else "values are"
    return f"{len(numbers)} {verb} {what} (row {shown}{' …' if len(numbers) > 5 else ''})"
