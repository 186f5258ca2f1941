"""The Great Expectations suite: what is asked, without the library; and once with it."""

import json
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from tasks.core import child
from tasks.core.schema import ROW, Column, Table, save_columns
from tasks.validate import expectations as suite
from tasks.validate import figures
from tasks.validate.params import Limits, Params

COLUMNS = {
    "a": Column(type="float", min=0, nullable=False),
    "code": Column(type="category", values=["x", "y"]),
    "when": Column(type="datetime", role="time"),
    "id": Column(type="integer", unique=True),
    "y": Column(type="category", role="target"),
}
SPEC = Table(task="classification", target="y")
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def table(rows: int = 200) -> pl.DataFrame:
    rng = np.random.default_rng(1)
    return pl.DataFrame(
        {
            ROW: pl.Series(range(1, rows + 1), dtype=pl.UInt32),
            "a": [-1.0] * 10 + list(rng.random(rows - 10)),
            "code": rng.choice(["x", "y"], rows),
            "when": [datetime(2026, 11, 1)] * rows,
            "id": range(rows),
            "y": ["no"] * (rows - 20) + ["yes"] * 20,
        }
    )


def test_expectations_of_the_table_judge_the_figures_that_polars_found():
    frame = table()
    found = figures.figures(frame.lazy(), COLUMNS, SPEC)
    row = suite._figure_row(found, NOW).row(0, named=True)
    asked = suite._of_table(found, COLUMNS, SPEC, Limits(min_class_share=0.05, max_age_days=30))
    bounds = {at["column"]: (at.get("min_value"), at.get("max_value")) for _, at in asked}
    assert set(bounds) <= set(row)
    assert bounds["rows"] == (20, None)
    assert bounds["class_share_min"] == (0.05, None)
    assert bounds["age_days when"] == (None, 30)
    assert bounds["distinct_share id"] == (1, 1)
    assert row["class_share_min"] == 0.1
    assert row["age_days when"] == 19
    assert row["distinct_share id"] == 1


def test_the_sample_is_bounded_in_order_and_always_the_same():
    sample = suite._sample(table().lazy(), 50)
    assert sample.height == 50
    assert sample["id"].is_sorted()
    assert sample.equals(suite._sample(table().lazy(), 50))
    assert ROW not in sample.columns


@pytest.mark.slow
def test_result_and_docs(tmp_path):
    source, outs = tmp_path / "source", [tmp_path / "one", tmp_path / "two"]
    for folder in (source, *outs):
        folder.mkdir()
    table().write_parquet(source / "table.parquet")
    save_columns(COLUMNS, source)
    for out in outs:
        child.run(suite.document, source, out, SPEC, Params(), time_limit_s=200)
    one, two = ((out / "result.json").read_text() for out in outs)
    assert one == two
    result = json.loads(one)
    failed = [
        (e["expectation"], e["arguments"]["column"])
        for each in result["suites"].values()
        for e in each["expectations"]
        if not e["success"]
    ]
    assert failed == [("expect_column_values_to_be_between", "a")]
    assert not result["success"]
    assert result["suites"]["table"]["success"]
    assert (outs[0] / "docs" / "index.html").stat().st_size > 1000
    assert sorted(path.name for path in outs[0].iterdir()) == ["docs", "result.json"]
    size = sum(path.stat().st_size for path in outs[0].rglob("*") if path.is_file())
    assert size < 2_000_000
