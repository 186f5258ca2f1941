"""Row checks: what `columns` ask for, and which cells fail."""

import sys

import numpy as np
import polars as pl
import pytest

from tasks.core.errors import DataError
from tasks.core.schema import ROW, Column
from tasks.validate import schema

INF, NAN = float("inf"), float("nan")


def frame(**columns) -> pl.DataFrame:
    rows = len(next(iter(columns.values())))
    return pl.DataFrame({ROW: pl.Series(range(1, rows + 1), dtype=pl.UInt32), **columns})


def failing(columns: dict[str, Column], **cells) -> list[tuple]:
    """Return (row, column, value, reason, check) of what fails."""
    table = frame(**cells)
    asked = schema.rules(columns, dict(table.schema))
    return schema.failing_cells(schema.checked_view(table.lazy()), asked).rows()


@pytest.mark.parametrize(
    ("column", "cells", "expected"),
    [
        (
            Column(type="float", min=0, max=5),
            [0.0, 5.0, -0.1, 5.5, None, NAN, INF, -INF],
            [
                (3, "x", "-0.1", "not >= 0", "minimum"),
                (4, "x", "5.5", "not <= 5", "maximum"),
                (7, "x", "inf", "not <= 5", "maximum"),
                (8, "x", "-inf", "not >= 0", "minimum"),
            ],
        ),
        (
            Column(type="float", nullable=False),
            [1.0, None, NAN, INF],
            [
                (2, "x", None, "missing", "not_null"),
                (3, "x", None, "missing", "not_null"),
                (4, "x", "inf", "not a finite number", "finite"),
            ],
        ),
        (Column(type="float"), [1.0, None, NAN, INF], []),
        (
            Column(type="integer", values=[1, 2], unique=True),
            [1, 2, 3, 2, None, None],
            [
                (3, "x", "3", "not one of 1, 2", "allowed"),
                (4, "x", "2", "occurs already in row 2", "unique"),
            ],
        ),
        (
            Column(type="category", values=["a", "b"], nullable=False),
            ["a", "B", "  ", "", None],
            [
                (2, "x", "B", "not one of a, b", "allowed"),
                (3, "x", None, "missing", "not_null"),
                (4, "x", None, "missing", "not_null"),
                (5, "x", None, "missing", "not_null"),
            ],
        ),
        (
            Column(type="boolean", values=["true"]),
            [True, False, None],
            [(2, "x", "false", "not one of true", "allowed")],
        ),
        (
            Column(type="float", role="target"),
            [1.0, None, INF],
            [
                (2, "x", None, "no target", "not_null"),
                (3, "x", "inf", "not a finite number", "finite"),
            ],
        ),
        (Column(type="float", role="ignore", min=0, nullable=False), [-1.0, None], []),
    ],
)
def test_failing_cells(column, cells, expected):
    assert failing({"x": column}, x=cells) == expected


@pytest.mark.parametrize("seed", range(5))
def test_failing_cells_are_those_that_plain_python_finds(seed):
    rng = np.random.default_rng(seed)
    numbers = rng.integers(-3, 12, 400).astype(float)
    numbers[rng.random(400) < 0.1] = np.nan
    words = rng.choice(["a", "b", "c", ""], 400)
    columns = {
        "n": Column(type="float", min=0, max=9, nullable=False),
        "w": Column(type="category", values=["a", "b"]),
    }
    found = {(row, name) for row, name, *_ in failing(columns, n=numbers, w=words)}
    expected = {(i + 1, "n") for i, n in enumerate(numbers) if not 0 <= n <= 9}
    expected |= {(i + 1, "w") for i, w in enumerate(words) if w == "c"}
    assert found == expected


def test_all_problems_at_once_over_many_blocks_of_columns():
    width = 3 * schema.BLOCK + 1
    columns = {f"c{i}": Column(type="integer", min=0) for i in range(width)}
    found = failing(columns, **{name: [1, -1] for name in columns})
    assert found == [(2, name, "-1", "not >= 0", "minimum") for name in columns]


def test_pandas_stays_out_and_may_be_imported_after():
    known = "pandas" in sys.modules
    failing({"x": Column(type="integer", min=0)}, x=[-1])
    assert ("pandas" in sys.modules) == known
    with schema._without_pandas():
        assert any(isinstance(finder, schema._NoPandas) for finder in sys.meta_path) != known
    assert not any(isinstance(finder, schema._NoPandas) for finder in sys.meta_path)


def test_shape_problems_lists_them_all():
    table = frame(a=["1"], b=[1.5])
    columns = {
        "a": Column(type="float"),
        "b": Column(type="float"),
        "c": Column(type="float"),
        "d": Column(type="float", required=False),
    }
    problems = schema.shape_problems(columns, dict(table.schema), "y")
    assert [p.split(":")[0].split(" is not")[0] for p in problems] == [
        "target column 'y'",
        "column 'a'",
        "column 'c'",
    ]
    assert "expected type float, found String" in problems[1]


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        (Column(type="integer", values=["one"]), 1),
        (Column(type="integer", values=[1.5]), 1),
        (Column(type="boolean", values=["maybe"]), True),
    ],
)
def test_values_of_another_type_are_an_error(column, cell):
    with pytest.raises(DataError, match=r"columns\.x\.values"):
        failing({"x": column}, x=[cell])
