"""Judging a table: quarantine, limits, and what is written."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tasks.core import distinct
from tasks.core.errors import DataError
from tasks.core.schema import ROW, Column, Table, load_columns, save_columns
from tasks.validate import aside, schema
from tasks.validate.judge import judge
from tasks.validate.params import Params

COLUMNS = {
    "age": Column(type="float", min=0, max=120),
    "city": Column(type="category"),
    "left": Column(type="boolean", role="target"),
}
SPEC = Table(task="classification", target="left")


def table(rows: int = 100) -> pl.DataFrame:
    rng = np.random.default_rng(rows)
    return pl.DataFrame(
        {
            ROW: pl.Series(range(1, rows + 1), dtype=pl.UInt32),
            "age": rng.integers(1, 100, rows).astype(float),
            "city": rng.choice(["Aachen", "Bern"], rows),
            "left": [bool(i % 2) for i in range(rows)],
        }
    )


class Bench:
    """A folder of inputs and one of outputs each; `run` judges."""

    def __init__(self, tmp: Path) -> None:
        self.source, self.rows, self.report = (tmp / n for n in ("source", "rows", "report"))
        for folder in (self.source, self.rows, self.report):
            folder.mkdir()
        self.kept = tmp / "kept.csv"

    def run(self, frame, columns=COLUMNS, spec=SPEC, unparsed=None, series=False, **params) -> dict:
        frame.write_parquet(self.source / "table.parquet")
        save_columns(columns, self.source)
        if unparsed is not None:
            rows, names, values = zip(*unparsed, strict=True)
            pl.DataFrame({ROW: rows, "column": names, "value": values}).write_parquet(
                self.source / "unparsed.parquet"
            )
        asked = (spec, Params(**params), self.kept, series)
        judge(self.source, self.rows, self.report, *asked)
        return json.loads((self.report / "checks.json").read_text())

    @property
    def good(self) -> pl.DataFrame:
        return pl.read_parquet(self.rows / "table.parquet")

    @property
    def quarantine(self) -> list[tuple]:
        return pl.read_parquet(self.report / "quarantine.parquet").rows()


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def set_cell(frame: pl.DataFrame, row: int, **cells) -> pl.DataFrame:
    return frame.with_columns(
        pl.when(pl.col(ROW) == row).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
        for name, value in cells.items()
    )


def test_sound_table_passes_unchanged(bench):
    frame = table()
    checks = bench.run(frame)
    assert bench.good.equals(frame)
    assert load_columns(bench.rows) == COLUMNS
    assert (checks["rows"], checks["bad_rows"], checks["bad_share"]) == (100, 0, 0.0)
    assert bench.quarantine == []
    assert all(check["ok"] for check in checks["checks"] + checks["table_checks"])
    assert checks["figures"]["target"] == {"distinct": 2, "classes": {"false": 50, "true": 50}}


def test_bad_rows_are_set_aside_with_reasons_and_the_others_stay_as_they_are(bench):
    frame = set_cell(set_cell(table(), 7, age=130.0), 9, age=-1.0, left=None)
    unparsed = [(12, "age", "forty"), (14, "__line__", "3,4,5")]
    frame = set_cell(set_cell(frame, 12, age=None), 14, age=None, city=None, left=None)
    checks = bench.run(frame, unparsed=unparsed, max_bad_share=0.04)
    assert bench.quarantine == [
        (7, "age", "130.0", "not <= 120"),
        (9, "age", "-1.0", "not >= 0"),
        (9, "left", None, "no target"),
        (12, "age", "forty", "not a number"),
        (14, "__line__", "3,4,5", "not as many fields as the header"),
    ]
    assert bench.good.equals(frame.filter(~pl.col(ROW).is_in([7, 9, 12, 14])))
    assert (checks["bad_rows"], checks["bad_share"]) == (4, 0.04)
    counts = {(c["check"], c["column"]): c["failed_rows"] for c in checks["checks"]}
    assert counts[("maximum", "age")] == counts[("minimum", "age")] == 1
    assert counts[("readable", "age")] == counts[("fields", None)] == 1
    assert counts[("not_null", "left")] == 1


def test_too_many_bad_rows_stop_the_run_and_nothing_is_lost(bench):
    frame = set_cell(set_cell(table(60), 7, age=130.0), 9, left=None)
    with pytest.raises(DataError) as stopped:
        bench.run(frame)
    message = str(stopped.value)
    assert "2 of 60 rows (3.3%)" in message
    assert "age: not <= 120: 1 row (row 7 '130.0')" in message
    assert "left: no target: 1 row (row 9)" in message
    assert str(bench.kept) in message
    assert stopped.value.exit_code == 2
    assert pl.read_csv(bench.kept)["row"].to_list() == [7, 9]
    assert not list(bench.rows.iterdir())


def test_one_bad_row_of_sixty_passes(bench):
    assert bench.run(set_cell(table(60), 7, age=130.0))["bad_rows"] == 1


def test_a_row_that_ingest_left_out_counts_too(bench):
    frame = table().filter(pl.col(ROW) != 5)
    checks = bench.run(frame, unparsed=[(5, "__line__", "a,b,c,d,e")])
    assert (checks["rows"], checks["bad_rows"]) == (100, 1)


def test_of_a_series_rows_without_a_target_stay(bench):
    frame = set_cell(table(), 5, left=None)
    assert bench.run(frame)["bad_rows"] == 1
    assert bench.run(frame, series=True)["bad_rows"] == 0
    assert bench.good.height == frame.height
    declared = COLUMNS | {"left": COLUMNS["left"].model_copy(update={"nullable": False})}
    assert bench.run(frame, columns=declared, series=True)["bad_rows"] == 1


def test_an_ignored_column_makes_no_row_bad(bench):
    columns = COLUMNS | {"age": Column(type="float", role="ignore", min=50)}
    checks = bench.run(table(), columns, unparsed=[(5, "age", "old")])
    assert checks["bad_rows"] == 0


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"min_rows": 101}, "row_count: expected >= 101 rows, found 100"),
        ({"max_rows": 99, "min_rows": 2}, "row_count: expected 2 to 99 rows"),
        ({"min_class_share": 0.5, "min_class_rows": 51}, "class_rows of 'left'"),
        ({"unique": [["city"]]}, "unique of 'city': expected no two rows share it"),
        ({"unique": [["cty"]]}, "Did you mean 'city'"),
        ({"max_duplicate_share": 0.0}, "duplicate_rows"),
    ],
)
def test_a_broken_limit_stops_the_run(bench, limits, words):
    with pytest.raises(DataError, match=words):
        bench.run(table(), limits=limits)


def test_all_problems_come_at_once(bench):
    frame = set_cell(set_cell(table(60), 7, age=130.0), 9, left=None)
    with pytest.raises(DataError) as stopped:
        bench.run(frame, limits={"min_rows": 1000, "max_missing_share": 0})
    assert "2 of 60 rows" in str(stopped.value)
    assert "row_count" in str(stopped.value)


@pytest.mark.parametrize(
    ("frame", "spec", "columns", "words"),
    [
        (table(0), SPEC, COLUMNS, "no rows"),
        (table().drop("left"), SPEC, COLUMNS, "target column 'left' is not in the table"),
        (table().drop("age"), SPEC, COLUMNS, "column 'age' is not in the table"),
        (table().cast({"age": pl.String}), SPEC, COLUMNS, "expected type float, found String"),
        (table(), Table(task="regression", target="left"), COLUMNS, "a regression needs numbers"),
        (table().with_columns(left=True), SPEC, COLUMNS, "There is nothing to tell apart"),
        (
            table().with_columns(left=1.0),
            Table(task="regression", target="left"),
            COLUMNS | {"left": Column(type="float", role="target")},
            "There is nothing to predict",
        ),
        (
            table().with_columns(left=pl.int_range(100).cast(pl.String)),
            SPEC,
            COLUMNS | {"left": Column(type="category", role="target")},
            "class_rows",
        ),
    ],
)
def test_tables_that_cannot_be_used(bench, frame, spec, columns, words):
    with pytest.raises(DataError, match=words):
        bench.run(frame, columns, spec)


def test_what_is_odd_but_usable_is_reported_and_stops_nothing(bench):
    frame = table().with_columns(
        pl.lit(None, pl.String).alias("city"),
        pl.when(pl.col(ROW) < 3).then(float("inf")).otherwise("age").alias("age"),
    )
    columns = COLUMNS | {"age": Column(type="float")}
    checks = bench.run(frame, columns)["table_checks"]
    odd = {(c["check"], c["column"]) for c in checks if not c["ok"]}
    assert odd == {("missing_share", "city"), ("infinite", "age")}
    assert bench.good.equals(frame)


def test_images_pass(bench):
    pixels = np.random.default_rng(0).integers(0, 17, (100, 8, 8, 1), dtype=np.uint8)
    pixels[1] = pixels[3]
    frame = table().with_columns(pl.Series("image", pixels, dtype=pl.Array(pl.UInt8, (8, 8, 1))))
    columns = COLUMNS | {"image": Column(type="image")}
    bench.run(frame, columns)
    assert bench.good.equals(frame)


def test_same_input_same_bytes(bench, tmp_path):
    def content() -> dict[str, bytes]:
        files = [*bench.rows.iterdir(), *bench.report.iterdir()]
        return {path.name: path.read_bytes() for path in files}

    frame = set_cell(table(), 7, age=130.0)
    bench.run(frame)
    first = content()
    bench.run(frame)
    assert content() == first


def test_rows_set_aside_are_told(bench, temper_home, tmp_path):
    kept = tmp_path / "aside.csv"
    bench.run(table())
    assert aside.told(bench.report, kept) is None
    assert not kept.exists()
    bench.run(set_cell(set_cell(table(2000), 1, age=-1.0), 2, age=-2.0))
    (reason,) = {reason for *_, reason in bench.quarantine}
    expected = f"validate: 2 of 2,000 rows set aside, age: {reason}; all of them: {kept}"
    assert aside.told(bench.report, kept) == expected
    assert pl.read_csv(kept)["row"].to_list() == [1, 2]
    bad = set_cell(set_cell(set_cell(table(200), 1, age=-1.0), 2, age=-2.0), 3, left=None)
    bench.run(bad)
    told = aside.told(bench.report, kept)
    assert told is not None
    assert told.startswith(f"validate: 3 of 200 rows set aside, most often age: {reason} (2); all")


def test_a_large_table_is_judged_in_slices_with_the_same_bytes(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    frame = table(200).with_columns(
        pl.Series("age", [*map(float, rng.integers(-1, 60, 198)), None, float("nan")]),
        pl.Series("code", [*range(150), *range(50)]),
        pl.Series("note", rng.choice([" ", "x", None], 200).tolist()),
    )
    frame = pl.concat([frame, frame[:9].with_columns(pl.col(ROW) + 200)])
    columns = COLUMNS | {"code": Column(type="integer", unique=True), "note": Column(type="text")}
    unparsed = [(12, "age", "forty"), (14, "__line__", "3,4,5"), (300, "__line__", "")]
    made = []
    for limit in (10**6, 7):
        monkeypatch.setattr(schema, "ROWS", limit)
        monkeypatch.setattr(distinct, "CELLS", limit)
        folder = tmp_path / str(limit)
        folder.mkdir()
        bench = Bench(folder)
        checks = bench.run(frame, columns, unparsed=unparsed, max_bad_share=0.6)
        counts = {(c["check"], c["column"]): c["failed_rows"] for c in checks["checks"]}
        assert (checks["rows"], counts[("unique", "code")]) == (210, 59)
        files = sorted(p for f in (bench.rows, bench.report) for p in f.iterdir())
        made.append([(path.name, path.read_bytes()) for path in files])
    assert made[0] == made[1]
    assert len(made[0]) == 4
