"""Cells of random tables come back as they were written, however they are quoted."""

import csv
import io
import random

import polars as pl
import pytest

from tasks.core.schema import ROW
from tasks.ingest.delimited import cells
from tasks.ingest.options import ReadOptions

PIECES = ("a", "7", " ", ",", ";", '"', "\n", "\r\n", "ü", "'", "#", "x y", "-", "")


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("seed", range(6))
def test_random_cells(seed: int, delimiter: str, quoting: int):
    draw = random.Random(seed)
    pieces = PIECES if seed % 2 else [p for p in PIECES if "\n" not in p]
    rows = [
        [f"r{i}", *("".join(draw.choices(pieces, k=draw.randint(0, 4))) for _ in range(3))]
        for i in range(40)
    ]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator="\n")  # type: ignore[arg-type]
    writer.writerows([["name", "b", "c", "d"], *rows])
    options = ReadOptions(delimiter=delimiter, header=True)
    found = cells(text.getvalue().encode(), "t.csv", options, set())
    assert not len(found.ragged)
    assert found.frame.columns == [ROW, "name", "b", "c", "d"]
    assert found.frame.drop(ROW).rows() == [tuple(row) for row in rows]


@pytest.mark.parametrize("seed", range(4))
def test_random_text_without_quotes(seed: int):
    draw = random.Random(seed)
    pieces = [p for p in PIECES if p not in (",", "\n", "\r\n")]
    rows = [[f"r{i}", *("".join(draw.choices(pieces, k=3)) for _ in range(2))] for i in range(40)]
    rows = [[cell.lstrip('"') for cell in row] for row in rows]
    text = "\n".join(",".join(row) for row in [["name", "b", "c"], *rows])
    found = cells(text.encode(), "t.csv", ReadOptions(header=True, delimiter=","), set())
    assert found.frame.drop(ROW).rows() == [tuple(row) for row in rows]
    assert found.frame[ROW].dtype == pl.UInt32
