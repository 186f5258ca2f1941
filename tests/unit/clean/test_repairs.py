"""Repairs by day: what a step emptied, filled, changed and removed."""

from datetime import date, datetime, timedelta

import polars as pl

from tasks.clean import accounting, repairs
from tasks.core.schema import ROW, Column

COLUMNS = {"at": Column(type="datetime", role="time"), "heat": Column(type="float")}


def table(heat: list[float | None]) -> pl.DataFrame:
    """Return a value every 8 hours: three a day."""
    begin = datetime(2026, 3, 1)
    times = [begin + timedelta(hours=8 * n) for n in range(len(heat))]
    return pl.DataFrame({"at": times, "heat": heat}).with_row_index(ROW)


def test_cells_and_rows_are_told_by_day_and_kind():
    before = table([1.0, None, 3.0, 4.0, 5.0, 6.0])
    after = table([None, 2.0, 3.0, 4.5, 5.0, 6.0]).head(5)
    account = accounting.account("step", before, after, columns=COLUMNS)
    assert account["repairs"] == [
        ["2026-03-02", "", "removed", 1],
        ["2026-03-01", "heat", "emptied", 1],
        ["2026-03-01", "heat", "filled", 1],
        ["2026-03-02", "heat", "changed", 1],
    ]
    assert account["rows_touched"] == 4


def test_without_a_time_nothing_is_told():
    before = table([1.0, 2.0]).with_columns(pl.col("at").cast(pl.String))
    after = before.with_columns(heat=pl.lit(None, pl.Float64))
    assert accounting.account("step", before, after, columns=COLUMNS)["repairs"] == []
    assert accounting.account("step", before, after)["repairs"] == []


def test_parts_are_added_and_many_days_become_months_or_years():
    one = [["2026-03-01", "heat", "filled", 2]]
    assert repairs.merged([one, one]) == [["2026-03-01", "heat", "filled", 4]]
    begin = date(2020, 1, 1)
    days = [(str(begin + timedelta(days=n)), "heat", "filled", 1) for n in range(731)]
    assert repairs.merged([days])[:2] == [
        ["2020-01-01", "heat", "filled", 31],
        ["2020-02-01", "heat", "filled", 29],
    ]
    long = [(f"{1900 + n:04}-{m:02}-01", "", "removed", 1) for n in range(60) for m in range(1, 13)]
    assert repairs.merged([long])[0] == ["1900-01-01", "", "removed", 12]
