"""Judges a table: good rows from bad ones, and the whole table by its figures."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core import frames
from tasks.core.errors import DataError
from tasks.core.plugins import unknown
from tasks.core.schema import ROW, Columns, Table, load_columns, save_columns
from tasks.validate import figures as whole
from tasks.validate import quarantine, schema
from tasks.validate.params import Params


def judge(
    source: Path,
    rows: Path,
    report: Path,
    spec: Table,
    params: Params,
    kept: Path,
    series: bool = False,
) -> None:
    """Write the good rows into the folder `rows`, and what was checked and found into `report`.

    Args:
        source: the folder of the table: table.parquet, columns.json, perhaps unparsed.parquet.
        rows: gets table.parquet and columns.json.
        report: gets checks.json and quarantine.parquet.
        spec: the workload's table: task and target.
        params: limits.
        kept: the CSV file for the bad cells of a run that stops.
        series: see `schema.rules`.

    Raises:
        DataError: too many bad rows, or a limit of the whole table is broken; all of them listed.
    """
    table = pl.scan_parquet(source / "table.parquet")
    dtypes = dict(table.collect_schema())
    columns = load_columns(source)
    count = table.select(pl.len()).collect().item()
    if problems := _unusable(dtypes, count, columns, spec, params):
        raise DataError(_message(problems))
    columns = {name: column for name, column in columns.items() if name in dtypes}
    columns = _with_target(columns, spec.target)
    asked = schema.rules(columns, dtypes, series)
    unread = quarantine.unparsed(source / "unparsed.parquet", columns)
    failed = _failed(schema.checked_view(table), asked, unread)
    cells = pl.concat([unread, failed.drop("check")]).sort(ROW, maintain_order=True)
    shown = cells.select(pl.col(ROW).alias("row"), "column", "value", "reason")
    bad = cells.select(ROW).unique()
    here = table.join(bad.lazy(), on=ROW, how="semi").select(pl.len())
    total = count + bad.height - here.collect(engine="streaming").item()
    if bad.height > params.max_bad_share * total:
        quarantine.keep(shown, kept)
        problems.append(quarantine.too_many(cells, bad.height, total, params.max_bad_share, kept))
    file = rows / "table.parquet"
    frames.sink(table.join(bad.lazy(), on=ROW, how="anti", maintain_order="left"), file)
    good = schema.checked_view(pl.scan_parquet(file))
    found = whole.figures(good, columns, spec)
    checks = whole.table_checks(found, good, columns, spec, params.limits)
    problems += [whole.problem(check) for check in checks if check["stops"] and not check["ok"]]
    if problems:
        file.unlink()
        raise DataError(_message(problems))
    save_columns(columns, rows)
    frames.write(shown, report / "quarantine.parquet")
    content = {
        "rows": total,
        "bad_rows": bad.height,
        "bad_share": bad.height / total,
        "checks": _row_checks(asked, unread, failed),
        "table_checks": checks,
        "reasons": quarantine.counts(cells),
        "figures": found,
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True)
    (report / "checks.json").write_text(text)


def _unusable(
    dtypes: dict[str, pl.DataType], rows: int, columns: Columns, spec: Table, params: Params
) -> list[str]:
    """Return why the table cannot be judged at all."""
    problems = schema.shape_problems(columns, dtypes, spec.target)
    problems += _unknown_keys(params.limits.unique, list(dtypes))
    target = dtypes.get(spec.target)
    if spec.task != "classification" and target is not None and not target.is_numeric():
        problems.append(
            f"target column {spec.target!r}: a {spec.task} needs numbers, found {target}. Correct "
            "the data, or set `task: classification`."
        )
    if rows == 0:
        problems.append("the table has no rows")
    return problems


def _failed(view: pl.LazyFrame, asked: list[schema.Rule], unread: pl.DataFrame) -> pl.DataFrame:
    """Return the cells that break a rule, but for those that could not be read anyway."""
    lines = unread.filter(pl.col("column") == quarantine.LINE)  # nothing of them was read
    return (
        schema.failing_cells(view, asked)
        .join(unread, on=[ROW, "column"], how="anti", maintain_order="left")
        .join(lines, on=ROW, how="anti", maintain_order="left")
    )


def _row_checks(
    asked: list[schema.Rule], unread: pl.DataFrame, failed: pl.DataFrame
) -> list[dict[str, Any]]:
    """Return each row check with the number of rows that failed it."""
    counted = {
        (column, check): rows
        for column, check, rows in failed.group_by("column", "check")
        .agg(pl.col(ROW).n_unique())
        .iter_rows()
    }
    entries = [
        _check(name, "readable", "a value of the column's type", rows)
        for name, rows in unread.group_by("column")
        .agg(pl.col(ROW).n_unique())
        .sort("column")
        .rows()
    ]
    for rule in asked:
        rows = counted.get((rule.column, rule.check), 0)
        entries.append(_check(rule.column, rule.check, rule.expected, rows))
    return entries


def _check(column: str, check: str, expected: str, rows: int) -> dict[str, Any]:
    where = None if column == quarantine.LINE else column
    return {
        "check": "fields" if where is None else check,
        "column": where,
        "expected": "as many fields as the header" if where is None else expected,
        "failed_rows": rows,
        "ok": rows == 0,
    }


def _with_target(columns: Columns, target: str) -> Columns:
    """Return the columns with the target's role as the workload has it."""
    return {
        name: column.model_copy(update={"role": "target"}) if name == target else column
        for name, column in columns.items()
    }


def _unknown_keys(keys: list[list[str]], known: list[str]) -> list[str]:
    names = [name for name in known if name != ROW]
    return [
        "validate.limits.unique: " + unknown(f"column {name!r}", name, names)
        for key in keys
        for name in key
        if name not in names
    ]


def _message(problems: list[str]) -> str:
    return problems[0] if len(problems) == 1 else "\n".join(f"- {p}" for p in problems)
