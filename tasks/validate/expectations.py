"""The Great Expectations suite of a table: two small batches, one result, Data Docs.

Great Expectations works on pandas. It gets a bounded sample of the rows for what is expected of
single values, and a table of one row, the figures that Polars computed, for what is expected of the
whole. So its verdict on the whole is exact, and no big table ever becomes a pandas frame.
"""

import json
import os
import re
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core.schema import ROW, Columns, Table, load_columns
from tasks.validate import figures as whole
from tasks.validate import schema
from tasks.validate.freshness import age_days
from tasks.validate.params import Expectations, Limits, Params

SEED = 20261120
DOCS = "gx/uncommitted/data_docs/local_site"
MOST = 100  # expectations a suite: nobody reads a thousand, and they take minutes
NOT_STABLE = ("batch_id", "meta", "id", "run_id", "exception_info")


def document(source: Path, out: Path, spec: Table, params: Params, series: bool = False) -> None:
    """Write result.json, and `docs/index.html` where docs are asked for, into the folder `out`.

    result.json states the expectations in a fixed order, without times or ids; the bytes of the
    docs are Great Expectations' own. series: see `schema.rules`.
    """
    asked = params.expectations or Expectations.model_validate({})
    raw = pl.scan_parquet(source / "table.parquet")
    table = schema.checked_view(raw)
    dtypes = dict(table.collect_schema())
    columns = {n: c for n, c in load_columns(source).items() if n in dtypes}
    found = whole.figures(table, columns, spec)
    now = datetime.now(UTC)
    rules = schema.rules(columns, dtypes, series)
    batches = {
        "rows": (_sample(raw, asked.sample_rows), _of_rows(rules, dtypes, params.max_bad_share)),
        "table": (_figure_row(found, now), _of_table(found, columns, spec, params.limits)),
    }
    left_out = {name: len(asked_of[MOST:]) for name, (_, asked_of) in batches.items()}
    context, outcomes = _run(
        {name: (data, asked_of[:MOST]) for name, (data, asked_of) in batches.items()}, out / "work"
    )
    result = {name: _stable(outcome) for name, outcome in outcomes.items()}
    content = {
        "success": all(r["success"] for r in result.values()),
        "sample": {"rows": min(found["rows"], asked.sample_rows), "of": found["rows"]},
        "suites": result,
        "left_out": left_out,
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True, default=str)
    (out / "result.json").write_text(text)
    if asked.docs:
        context.build_data_docs()
        shutil.move(out / "work" / DOCS, out / "docs")
        _prune(out / "docs")
    shutil.rmtree(out / "work")


def _run(batches: dict[str, tuple[Any, list]], folder: Path) -> tuple[Any, dict[str, Any]]:
    """Return the context and each suite's validation result; the context writes into `folder`."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())  # its own is a semaphore that outlives a child ended by _exit
    folder.mkdir()
    context = gx.get_context(mode="file", project_root_dir=folder)
    context.variables.progress_bars = {"globally": False}  # pyright: ignore[reportAttributeAccessIssue] - typed too narrowly
    source = context.data_sources.add_pandas("temper")
    results = {}
    for name, (frame, expectations) in batches.items():
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("whole")
        suite = context.suites.add(gx.ExpectationSuite(name=name))
        for kind, arguments in expectations:
            suite.add_expectation(getattr(gx.expectations, kind)(**arguments))
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(name=name, data=batch, suite=suite)
        )
        checkpoint = context.checkpoints.add(
            gx.Checkpoint(name=name, validation_definitions=[definition], result_format="SUMMARY")
        )
        outcome = checkpoint.run(batch_parameters={"dataframe": frame.to_pandas()})
        results[name] = next(iter(outcome.run_results.values()))
    return context, results


def _of_rows(
    rules: list[schema.Rule], dtypes: dict[str, pl.DataType], bad: float
) -> list[tuple[str, dict]]:
    """Return what is expected of single values; a share of `bad` rows may fail."""
    mostly = 1 - bad
    present = {"column_set": _plain(dtypes), "exact_match": True}
    made: list[tuple[str, dict]] = [("ExpectTableColumnsToMatchSet", present)]
    for rule in rules:
        at = {"column": rule.column, "mostly": mostly}
        if rule.check == "not_null":
            made.append(("ExpectColumnValuesToNotBeNull", at))
        elif rule.check == "minimum":
            made.append(("ExpectColumnValuesToBeBetween", {**at, "min_value": rule.argument}))
        elif rule.check == "maximum":
            made.append(("ExpectColumnValuesToBeBetween", {**at, "max_value": rule.argument}))
        elif rule.check == "allowed":
            made.append(("ExpectColumnValuesToBeInSet", {**at, "value_set": rule.argument}))
        elif rule.check == "unique":
            made.append(("ExpectColumnValuesToBeUnique", at))
    return made


def _of_table(
    found: dict[str, Any], columns: Columns, spec: Table, limits: Limits
) -> list[tuple[str, dict]]:
    """Return what is expected of the figures: one column each in a table of one row."""

    def between(column: str, low: float | None, high: float | None) -> tuple[str, dict]:
        bounds = {"min_value": low, "max_value": high}
        given = {name: value for name, value in bounds.items() if value is not None}
        return "ExpectColumnValuesToBeBetween", {"column": column, **given}

    made = [between("rows", limits.min_rows, limits.max_rows)]
    made.append(between("duplicate_share", 0, limits.max_duplicate_share))
    made += [
        between(f"distinct_share {name}", 1, 1)
        for name, column in columns.items()
        if column.unique and name in found["distinct"]
    ]
    if spec.task == "classification":
        made.append(between("classes", 2, limits.max_classes))
        if found["target"]["classes"]:
            made.append(between("class_rows_min", limits.min_class_rows, None))
            made.append(between("class_share_min", limits.min_class_share, None))
    else:
        made.append(between("target_distinct", 2, None))
        if limits.target_mean is not None:
            made.append(between("target_mean", *limits.target_mean))
    if limits.max_age_days is not None:
        made += [between(f"age_days {name}", None, limits.max_age_days) for name in found["newest"]]
    features = [n for n, c in columns.items() if c.role == "feature" and n in found["missing"]]
    features.sort(key=lambda name: -found["missing"][name])
    return made + [between(f"missing_share {n}", 0, limits.max_missing_share) for n in features]


def _figure_row(found: dict[str, Any], now: datetime) -> pl.DataFrame:
    rows, target = max(found["rows"], 1), found["target"]
    row: dict[str, Any] = {
        "rows": found["rows"],
        "duplicate_share": found["duplicate_rows"] / rows,
        **{f"missing_share {name}": count / rows for name, count in found["missing"].items()},
        **{
            f"distinct_share {name}": count / max(found["rows"] - found["missing"][name], 1)
            for name, count in found["distinct"].items()
        },
        "classes": target["distinct"],
        "target_distinct": target["distinct"],
        "target_mean": target.get("mean"),
    }
    if target.get("classes"):
        row["class_rows_min"] = min(target["classes"].values())
        row["class_share_min"] = row["class_rows_min"] / rows
    for name, text in found["newest"].items():
        row[f"age_days {name}"] = age_days(text, now)
    return pl.DataFrame([row], infer_schema_length=1)


def _sample(table: pl.LazyFrame, most: int) -> pl.DataFrame:
    """Return at most so many rows, drawn with a fixed seed, in table order, without images."""
    numbers = table.select(ROW).collect(engine="streaming")
    if numbers.height > most:
        drawn = numbers.sample(most, seed=SEED).lazy()
        table = table.join(drawn, on=ROW, how="semi").sort(ROW)
    plain = _plain(dict(table.collect_schema()))
    return schema.checked_view(table.select(plain)).collect(engine="streaming")


def _plain(dtypes: dict[str, pl.DataType]) -> list[str]:
    return [n for n, t in dtypes.items() if n != ROW and not isinstance(t, pl.Array | pl.List)]


def _stable(result: Any) -> dict[str, Any]:
    """Return a suite's result without what differs from one run to the next."""
    content = json.loads(json.dumps(result.to_json_dict(), default=str))
    expectations = [
        {
            "expectation": entry["expectation_config"]["type"],
            "arguments": {
                name: value
                for name, value in entry["expectation_config"]["kwargs"].items()
                if name not in NOT_STABLE
            },
            "success": entry["success"],
            "result": {
                name: value
                for name, value in entry["result"].items()
                if isinstance(value, int | float) or value is None
            },
        }
        for entry in content["results"]
    ]
    statistics = {n: v for n, v in content["statistics"].items() if isinstance(v, int | float)}
    expectations.sort(key=lambda e: (e["expectation"], json.dumps(e["arguments"], sort_keys=True)))
    return {
        "success": content["success"],
        "statistics": statistics,
        "expectations": expectations,
    }


def _prune(docs: Path) -> None:
    """Delete the pictures that no page shows: 3 of 4 MB explain Great Expectations itself."""
    pages = "".join(p.read_text(errors="replace") for p in docs.rglob("*.html"))
    styles = "".join(p.read_text(errors="replace") for p in docs.rglob("*.css"))
    shown = set(re.findall(r"[\w.-]+\.(?:gif|png|jpe?g|svg|ico)", pages + styles))
    for path in docs.glob("static/images/**/*"):
        if path.is_file() and path.name not in shown:
            path.unlink()
