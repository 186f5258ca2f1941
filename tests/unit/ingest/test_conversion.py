"""What strings are taken for; never a silent change of values."""

from datetime import datetime
from typing import Any

import polars as pl
import pytest

from tasks.ingest.conversion import Typed, category_or_text, decimal_comma, typed
from tasks.ingest.options import ReadOptions


def take(values: list[Any], wanted: Any = None, comma: bool = False, **options: Any) -> Typed:
    return typed(
        pl.Series("c", values, dtype=pl.String), wanted, ReadOptions(**options), comma, False
    )


def test_marks_of_missing_values_are_counted():
    found = take(["1", "n/a", "NA", "", "-", "?", "null", "4"])
    assert found.values.to_list() == [1, None, None, None, None, None, None, 4]
    assert found.missing == {"": 1, "-": 1, "?": 1, "NA": 1, "n/a": 1, "null": 1}
    assert not found.unparsed.any()


def test_text_keeps_words_that_only_numbers_would_miss():
    found = take(["none", "-", "some", "", "n/a", " padded "] * 3)
    assert found.values.to_list()[:6] == ["none", "-", "some", None, None, " padded "]


def test_stated_marks_replace_the_usual_ones():
    found = take(["1", "-999", "3", "-999"], missing=["-999"])
    assert found.values.to_list() == [1, None, 3, None]
    assert found.missing == {"-999": 2}


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["1", "-2", "+3"], "integer", [1, -2, 3]),
        (["1", "2.5", ".5", "1e3", "-0.0"], "float", [1.0, 2.5, 0.5, 1000.0, -0.0]),
        (["inf", "-inf", "1"], "float", [float("inf"), float("-inf"), 1.0]),
        (["9223372036854775807", "1"], "integer", [9223372036854775807, 1]),
        (["0", "1", "0"], "integer", [0, 1, 0]),
        (["007", "042", "123"], "text", ["007", "042", "123"]),
        (["1", "9223372036854775808"], "text", ["1", "9223372036854775808"]),
        (["1,234", "12,345", "999,000"], "text", ["1,234", "12,345", "999,000"]),
        (["true", "False", "TRUE"], "boolean", [True, False, True]),
        (["yes", "no", "yes"], "boolean", [True, False, True]),
        (["yes", "no", "maybe", "no"], "category", ["yes", "no", "maybe", "no"]),
        (["1_000", "0x10"], "text", ["1_000", "0x10"]),
        (["5%", "10%", "5%"], "category", ["5%", "10%", "5%"]),
    ],
)
def test_types(values: list[str], kind: str, expected: list[Any]):
    found = take(values)
    if kind == "text":
        assert found.type in ("text", "category")
    else:
        assert found.type == kind
    assert found.values.to_list() == expected


def test_decimal_comma():
    frame = pl.DataFrame({"a": ["1,5", "2,25", "-3"], "b": ["1,234", "5,678", "9,000"]})
    assert decimal_comma(frame)
    assert take(["1,5", "2,25", "-3"], comma=True).values.to_list() == [1.5, 2.25, -3.0]
    assert take(["1,234", "5,678"], comma=True).values.to_list() == [1.234, 5.678]
    assert take(["1", "2"], comma=True).type == "integer"
    ambiguous = take(["1.234", "5.678"], comma=True)
    assert ambiguous.type in ("category", "text")
    assert "ambiguous" in (ambiguous.note or "")


def test_numbers_with_thousands_are_no_decimal_commas():
    assert not decimal_comma(pl.DataFrame({"a": ["1,234", "5,678"], "b": ["x,y", "z"]}))
    found = take(["1,234", "5,678", "9"], thousands=",")
    assert found.values.to_list() == [1234, 5678, 9]
    assert "thousands" in (found.taken_for or "")
    german = take(["1.234,5", "2,25"], thousands=".", decimal=",")
    assert german.values.to_list() == [1234.5, 2.25]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["2024-01-31", "2024-02-01"], datetime(2024, 1, 31)),
        (["2024-01-31 13:05", "2024-02-01 00:00"], datetime(2024, 1, 31, 13, 5)),
        (["2024-01-31 13:05:06.5", "2024-02-01 00:00:00"], datetime(2024, 1, 31, 13, 5, 6, 500000)),
        (["2024-01-31T13:05:06Z", "2024-02-01T00:00:00+02:00"], datetime(2024, 1, 31, 13, 5, 6)),
        (["31.01.2024", "01.02.2024"], datetime(2024, 1, 31)),
        (["1/31/2024", "2/1/2024"], datetime(2024, 1, 31)),
        (["31/1/2024", "1/2/2024"], datetime(2024, 1, 31)),
        (["1/31/2024 1:05:06 PM", "2/1/2024 12:00:00 AM"], datetime(2024, 1, 31, 13, 5, 6)),
        (["31 Jan 2024", "1 Feb 2024"], datetime(2024, 1, 31)),
    ],
)
def test_dates(values: list[str], expected: datetime):
    found = take(values)
    assert found.type == "datetime"
    assert found.values.dtype == pl.Datetime("us")
    assert found.values[0] == expected
    assert found.values[1].month in (1, 2)
    assert not found.unparsed.any()


def test_dates_whose_order_nothing_tells_stay_text():
    found = take(["4/12/2016", "5/11/2016"])
    assert found.type in ("category", "text")
    assert "day_first" in (found.note or "")
    assert take(["4/12/2016"], day_first=True).values[0] == datetime(2016, 12, 4)
    assert take(["4/12/2016"], day_first=False).values[0] == datetime(2016, 4, 12)


def test_a_stated_type_overrides_and_the_rest_is_unparsed():
    found = take(["1", "x", "2.5", "3.0"], "integer")
    assert found.values.to_list() == [1, None, None, 3]
    assert found.unparsed.to_list() == [False, True, True, False]
    assert take(["1", "2"], "category").values.to_list() == ["1", "2"]
    assert take(["1", "0", "2"], "boolean").unparsed.to_list() == [False, False, True]
    assert take(["2024-01-01", "soon"], "datetime").unparsed.to_list() == [False, True]
    assert take(["007", "8"], "integer").values.to_list() == [7, 8]


def test_labels_are_kept_as_written():
    def label(values: list[str]) -> list[Any]:
        cells = pl.Series("c", values, dtype=pl.String)
        return typed(cells, None, ReadOptions(), False, True).values.to_list()

    assert label(["yes", "no"]) == ["yes", "no"]
    assert label(["1.0", "0.0"]) == ["1.0", "0.0"]
    assert label(["1", "0", "-"]) == [1, 0, None]
    assert label(["01", "1"]) == ["01", "1"]
    assert label(["True", "False"]) == ["True", "False"]


def test_few_levels_are_a_category():
    assert category_or_text(pl.Series(["a", "b"] * 30)) == "category"
    assert category_or_text(pl.Series([f"t{i}" for i in range(100)])) == "text"
    assert category_or_text(pl.Series([f"t{i % 90}" for i in range(10_000)])) == "category"
