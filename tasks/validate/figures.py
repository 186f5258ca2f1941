"""Whole-table figures by Polars, and the limits they are judged by."""

from datetime import date, datetime
from typing import Any

import polars as pl

from tasks.core import distinct
from tasks.core.schema import ROW, Columns, Table, by_role
from tasks.validate.params import Limits

RARE = 10  # rows of a class below which its scores say little
SHOWN = 12
MOST_CLASSES = 5_000  # more are only counted


def figures(table: pl.LazyFrame, columns: Columns, spec: Table) -> dict[str, Any]:
    """Return the figures of a table as JSON: rows, missing cells, target, duplicates, newest time.

    NaN and blank text count as missing if `table` is a `checked_view`.
    """
    dtypes = table.collect_schema()
    names = [name for name in dtypes if name != ROW]
    plain = [n for n in names if not isinstance(dtypes[n], pl.Array | pl.List | pl.Binary)]
    floats = [name for name in plain if dtypes[name].is_float()]
    times = [name for name in by_role(columns, "time") if name in names]
    asked = {
        "missing": pl.col(names).null_count(),
        "infinite": pl.col(floats).is_infinite().sum(),
        "newest": pl.col(times).max(),
        "oldest": pl.col(times).min(),
    }
    one_pass = [every.name.prefix(f"{figure} ") for figure, every in asked.items()]
    row = table.select(pl.len(), *one_pass).collect(engine="streaming").row(0, named=True)

    def of(figure: str, those: list[str]) -> dict[str, Any]:
        return {name: row[f"{figure} {name}"] for name in those}

    return {
        "rows": row["len"],
        "missing": of("missing", names),
        "distinct": distinct.values(table, plain, row["len"]),
        "infinite": {name: count for name, count in of("infinite", floats).items() if count},
        "duplicate_rows": distinct.repeats(table, names),
        "target": _target(table, spec),
        "newest": {name: _text(value) for name, value in of("newest", times).items()},
        "oldest": {name: _text(value) for name, value in of("oldest", times).items()},
    }


def table_checks(
    found: dict[str, Any], table: pl.LazyFrame, columns: Columns, spec: Table, limits: Limits
) -> list[dict[str, Any]]:
    """Return each whole-table check: expected, found, ok, and whether it `stops` the run.

    What stops is what a limit in params says, or what leaves nothing to learn.
    """
    rows = found["rows"]
    checks = [
        _entry("row_count", None, _between(limits.min_rows, limits.max_rows), rows)
        | {"ok": limits.min_rows <= rows <= (limits.max_rows or rows)}
    ]
    for name, count in found["missing"].items():
        if columns[name].role != "feature":
            continue
        share = count / rows if rows else 1.0
        entry = _entry("missing_share", name, f"<= {limits.max_missing_share:g}", round(share, 6))
        if share > limits.max_missing_share:
            checks.append(entry | {"ok": False})
        elif share == 1:
            checks.append(entry | {"expected": "a value in some row", "ok": False, "stops": False})
        else:
            checks.append(entry | {"ok": True})
    for name, count in found["distinct"].items():
        if columns[name].role == "feature" and count == 1 and not found["missing"][name]:
            checks.append(
                _entry("constant", name, "more than one value", 1) | {"ok": False, "stops": False}
            )
    for name, count in found["infinite"].items():
        checks.append(
            _entry("infinite", name, "finite numbers", f"{count} infinite cells")
            | {"ok": False, "stops": False}
        )
    repeated = found["duplicate_rows"]
    checks.append(
        _entry("duplicate_rows", None, f"share <= {limits.max_duplicate_share:g}", repeated)
        | {"ok": repeated <= limits.max_duplicate_share * rows}
    )
    for key in limits.unique:
        count = distinct.repeats(table, key)
        checks.append(
            _entry("unique", ", ".join(key), "no two rows share it", f"{count} rows repeat one")
            | {"ok": count == 0}
        )
    return checks + (_classes if spec.task == "classification" else _values)(found, spec, limits)


def problem(check: dict[str, Any]) -> str:
    """Return a failed table check as a line of an error message."""
    where = f" of {check['column']!r}" if check["column"] else ""
    hint = _HINTS.get(check["check"], "Change the data, or the limit in validate.limits.")
    return f"{check['check']}{where}: expected {check['expected']}, found {check['found']}. {hint}"


_HINTS = {
    "row_count": "Give more data, or change validate.limits.",
    "classes": "There is nothing to tell apart: is it the right target column?",
    "too_many_classes": "Is this a regression? Set `task`, or raise validate.limits.max_classes.",
    "class_rows": "Merge or remove the class, or lower validate.limits.min_class_rows.",
    "target_varies": "There is nothing to predict: is it the right target column?",
}


def _classes(found: dict[str, Any], spec: Table, limits: Limits) -> list[dict[str, Any]]:
    classes, total, rows = found["target"]["classes"], found["target"]["distinct"], found["rows"]
    name = spec.target
    listed = ", ".join(list(classes)[:SHOWN])
    checks = [
        _entry("classes", name, "2 classes or more", f"{total} ({listed})") | {"ok": total >= 2},
        _entry("too_many_classes", name, f"<= {limits.max_classes} classes", total)
        | {"ok": total <= limits.max_classes},
    ]
    if total > limits.max_classes or not classes:
        return checks
    rare = min(classes, key=lambda label: (classes[label], label))
    count = classes[rare]
    few = {label: n for label, n in classes.items() if n < limits.min_class_rows}
    shown = ", ".join(
        f"{label!r} has {n}" for label, n in list((few or {rare: count}).items())[:SHOWN]
    )
    checks.append(
        _entry("class_rows", name, f">= {limits.min_class_rows} rows a class", shown)
        | {"ok": not few}
    )
    checks.append(
        _entry("class_share", name, f">= {limits.min_class_share:g}", round(count / rows, 6))
        | {"ok": count / rows >= limits.min_class_share}
    )
    if not few and count < RARE:
        expected = f">= {RARE} rows a class to say something of it"
        checks.append(
            _entry("rare_class", name, expected, f"{rare!r} has {count}")
            | {"ok": False, "stops": False}
        )
    return checks


def _values(found: dict[str, Any], spec: Table, limits: Limits) -> list[dict[str, Any]]:
    target = found["target"]
    checks = [
        _entry("target_varies", spec.target, "more than one value", target["distinct"])
        | {"ok": target["distinct"] >= 2}
    ]
    if limits.target_mean is not None and target["mean"] is not None:
        low, high = limits.target_mean
        checks.append(
            _entry("target_mean", spec.target, f"between {low:g} and {high:g}", target["mean"])
            | {"ok": low <= target["mean"] <= high}
        )
    return checks


def _target(table: pl.LazyFrame, spec: Table) -> dict[str, Any]:
    values = table.select(spec.target).drop_nulls()
    if spec.task == "classification":
        label = pl.col(spec.target).cast(pl.String)
        classes = values.group_by(spec.target).len().with_columns(label).sort(spec.target)
        counted = classes.collect(engine="streaming")
        few = counted.height <= MOST_CLASSES
        return {"distinct": counted.height, "classes": dict(counted.iter_rows()) if few else {}}
    target = values.collect(engine="streaming").to_series().rechunk()
    if not target.dtype.is_numeric():
        return {"distinct": target.n_unique(), "mean": None}
    statistics = {name: getattr(target, name)() for name in ("mean", "std", "min", "max")}
    return {"distinct": target.n_unique(), **statistics}


def _entry(check: str, column: str | None, expected: str, found: Any) -> dict[str, Any]:
    return {"check": check, "column": column, "expected": expected, "found": found, "stops": True}


def _between(low: int, high: int | None) -> str:
    return f">= {low} rows" if high is None else f"{low} to {high} rows"


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime | date) else value
