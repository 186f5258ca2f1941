"""Figures of the whole table, and the limits."""

from datetime import datetime

import polars as pl

from tasks.core.schema import ROW, Column, Table
from tasks.validate import expectations, figures, schema
from tasks.validate.params import Limits


def judged(columns: dict, task: str, cells: dict, **limits) -> tuple[dict, dict]:
    """Return the figures, and the failed checks by (check, column): whether they stop the run."""
    rows = len(next(iter(cells.values())))
    frame = pl.DataFrame({ROW: pl.Series(range(1, rows + 1), dtype=pl.UInt32), **cells})
    spec = Table.model_validate({"task": task, "target": "y"})
    found = figures.figures(frame.lazy(), columns, spec)
    checks = figures.table_checks(found, frame.lazy(), columns, spec, Limits(min_rows=1, **limits))
    failed = {(c["check"], c["column"]): c["stops"] for c in checks if not c["ok"]}
    assert all(figures.problem(check) for check in checks)
    return found, failed


TARGET = Column(type="float", role="target")
LABEL = Column(type="category", role="target")


def test_figures_of_a_regression():
    columns = {"a": Column(type="float"), "t": Column(type="datetime", role="time"), "y": TARGET}
    times = [datetime(2026, 1, 2), datetime(2026, 1, 1), None, None]
    cells = {"a": [1.0, None, 1.0, 1.0], "t": times, "y": [1.0, 2.0, 4.0, 4.0]}
    found, failed = judged(columns, "regression", cells, target_mean=(3, 4))
    assert found["missing"] == {"a": 1, "t": 2, "y": 0}
    assert found["distinct"] == {"a": 1, "t": 2, "y": 3}
    assert found["duplicate_rows"] == 1
    assert (found["newest"], found["oldest"]) == (
        {"t": "2026-01-02T00:00:00"},
        {"t": "2026-01-01T00:00:00"},
    )
    assert (found["target"]["mean"], found["target"]["min"], found["target"]["max"]) == (2.75, 1, 4)
    assert failed == {("target_mean", "y"): True}


def test_classes_missing_shares_and_constants():
    cells = {"a": [None, None, 1.0, 1.0], "b": [1.0] * 4, "y": ["u", "u", "v", "w"]}
    columns = {"a": Column(type="float"), "b": Column(type="float"), "y": LABEL}
    found, failed = judged(columns, "classification", cells, max_missing_share=0.4)
    assert found["target"] == {"distinct": 3, "classes": {"u": 2, "v": 1, "w": 1}}
    assert failed == {
        ("missing_share", "a"): True,
        ("constant", "b"): False,
        ("class_rows", "y"): True,
    }
    _, failed = judged(columns, "classification", cells, min_class_rows=1, max_classes=2)
    assert failed == {("constant", "b"): False, ("too_many_classes", "y"): True}
    _, failed = judged(columns, "classification", cells, min_class_rows=1, min_class_share=0.3)
    assert failed == {
        ("constant", "b"): False,
        ("class_share", "y"): True,
        ("rare_class", "y"): False,
    }


def test_thousands_of_labels_are_counted_not_listed():
    cells = {"y": [str(i) for i in range(6000)]}
    found, failed = judged({"y": LABEL}, "classification", cells)
    assert found["target"] == {"distinct": 6000, "classes": {}}
    assert failed == {("too_many_classes", "y"): True}


def test_each_rule_has_its_expectation():
    column = Column(type="integer", min=0, max=3, values=[0, 1, 2, 3], unique=True, nullable=False)
    frame = pl.DataFrame({ROW: [1, 2], "a": [0, 1], "y": [0.5, 1.5]})
    rules = schema.rules({"a": column, "y": TARGET}, dict(frame.schema))
    made = expectations._of_rows(rules, dict(frame.schema), bad=0.25)
    kinds = [kind for kind, at in made if at.get("column") == "a"]
    assert kinds == [
        "ExpectColumnValuesToNotBeNull",
        "ExpectColumnValuesToBeBetween",
        "ExpectColumnValuesToBeBetween",
        "ExpectColumnValuesToBeInSet",
        "ExpectColumnValuesToBeUnique",
    ]
    assert all(at["mostly"] == 0.75 for _, at in made if "column" in at)
    assert made[0] == (
        "ExpectTableColumnsToMatchSet",
        {"column_set": ["a", "y"], "exact_match": True},
    )
