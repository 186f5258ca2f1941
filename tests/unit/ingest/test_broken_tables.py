"""Broken tables give one clear DataError or the expected result; sound twins are read exactly."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tasks.core.errors import DataError
from tasks.core.schema import ROW, Column, Table
from tasks.ingest.options import ReadOptions
from tasks.ingest.reading import Reading, read_table

X = [0.5, -1.25, 3.0, 1e-7, 12345.678, -0.001, 7.0, 8.5, 9.75, 10.125, 11.0, 12.5]
N = list(range(3, 15))
KIND = ["red", "green", "blue"] * 4
Y = [1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5, 11.5, 12.25]
ROWS = [f"{x!r},{n},{kind},{y!r}" for x, n, kind, y in zip(X, N, KIND, Y, strict=True)]
HEADER = "x,n,kind,y"
SOUND = "\n".join([HEADER, *ROWS]) + "\n"
REGRESSION = Table(task="regression", target="y")
CLASSES = Table(task="classification", target="kind")


def with_rows(**changes: str) -> str:
    """Return the sound table with other texts in the rows named like r3."""
    rows = [changes.get(f"r{i + 1}", row) for i, row in enumerate(ROWS)]
    return "\n".join([HEADER, *rows]) + "\n"


def with_target(values: list[Any]) -> str:
    rows = [f"{row.rsplit(',', 1)[0]},{value}" for row, value in zip(ROWS, values, strict=True)]
    return "\n".join([HEADER, *rows]) + "\n"


def parquet(path: Path, target: list[Any]) -> None:
    pl.DataFrame({"x": X, "y": target}).write_parquet(path)


def cut(path: Path, data: bytes, keep: float) -> None:
    path.write_bytes(data[: int(len(data) * keep)])


def damaged_parquet(path: Path) -> None:
    parquet(path, Y)
    content = bytearray(path.read_bytes())
    content[4:60] = b"?" * 56  # behind the magic: the first column's pages
    path.write_bytes(content)


def truncated_parquet(path: Path) -> None:
    parquet(path, Y)
    cut(path, path.read_bytes(), 0.6)


def text(content: str, encoding: str = "utf-8") -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content.encode(encoding)) and None


def raw(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


NAN, INF = float("nan"), float("inf")
# name: (file, what makes it, table, words that the error must have)
BROKEN: dict[str, tuple[str, Callable[[Path], Any], Table, tuple[str, ...]]] = {
    "no such file": ("t.csv", lambda p: None, REGRESSION, ("no such file",)),
    "folder": ("t.csv", lambda p: p.mkdir(), REGRESSION, ("folder", "one file")),
    "empty": ("t.csv", raw(b""), REGRESSION, ("empty",)),
    "blank lines": ("t.csv", text("\n  \n\n"), REGRESSION, ("blank",)),
    "header only": ("t.csv", text(HEADER + "\n"), REGRESSION, ("no rows",)),
    "one row": ("t.csv", text(f"{HEADER}\n{ROWS[0]}\n"), REGRESSION, ("one row",)),
    "one column": ("t.csv", text("y\n" + "\n".join(map(str, Y))), REGRESSION, ("one column",)),
    "duplicate header": (
        "t.csv",
        text(SOUND.replace("x,n,", "x,x,")),
        REGRESSION,
        ("duplicate", "'x'", "2 times"),
    ),
    "wrong target name": (
        "t.csv",
        text(SOUND),
        Table(task="classification", target="knd"),
        ("'knd'", "Did you mean 'kind'", "x, n, kind, y"),
    ),
    "all-missing target": (
        "t.csv",
        text(with_target(["n/a"] * 12)),
        REGRESSION,
        ("all 12 values are missing",),
    ),
    "constant target": ("t.csv", text(with_target([7] * 12)), REGRESSION, ("always 7",)),
    "one class": (
        "t.csv",
        text(SOUND.replace("green", "red").replace("blue", "red")),
        CLASSES,
        ("one class", "'red'"),
    ),
    "text target": (
        "t.csv",
        text(with_target(["abc", "def"] * 6)),
        REGRESSION,
        ("needs numbers", "'abc'"),
    ),
    "thousands in target": (
        "t.csv",
        text(with_target([f'"{i},{i}00"' for i in range(1, 10)] + [1, 2, 3])),
        REGRESSION,
        ("needs numbers", "thousands", "ingest.options.thousands"),
    ),
    "a class each": (
        "t.csv",
        text("a,b\n" + "".join(f"{i},{i}.5\n" for i in range(60))),
        Table(task="classification", target="b"),
        ("60 distinct", "regression"),
    ),
    "inf target": (
        "t.csv",
        text(with_target([*Y[:-1], "inf"])),
        REGRESSION,
        ("infinite", "row 12"),
    ),
    "nan target": ("t.csv", text(with_target(["NaN", *Y[1:]])), REGRESSION, ("NaN",)),
    "nan parquet": ("t.parquet", lambda p: parquet(p, [NAN, *Y[1:]]), REGRESSION, ("NaN", "row 1")),
    "inf parquet": ("t.parquet", lambda p: parquet(p, [-INF, *Y[1:]]), REGRESSION, ("infinite",)),
    "html": ("t.csv", text("<!DOCTYPE html><html><body>Log in"), REGRESSION, ("HTML",)),
    "xml": ("t.csv", text('<?xml version="1.0"?><a/>'), REGRESSION, ("XML",)),
    "json": ("t.csv", text('{"x": [1, 2], "y": [3, 4]}'), REGRESSION, ("JSON",)),
    "json lines": ("t.csv", text('[{"x": 1}, {"x": 2}]'), REGRESSION, ("JSON",)),
    "xlsx": ("t.csv", raw(b"PK\x03\x04\x14\x00\x06\x00"), REGRESSION, ("Excel", "save it as CSV")),
    "xls": ("t.csv", raw(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), REGRESSION, (".xls",)),
    "pdf": ("t.csv", raw(b"%PDF-1.7\n"), REGRESSION, ("PDF",)),
    "zstd": ("t.csv.zst", raw(b"\x28\xb5\x2f\xfd\x24\x00"), REGRESSION, ("zstd", "gzip")),
    "bzip2": ("t.csv.bz2", raw(b"BZh91AY&SY"), REGRESSION, ("bzip2",)),
    "nul bytes": (
        "t.csv",
        raw(SOUND.encode().replace(b"blue", b"b\0ue")),
        REGRESSION,
        ("NUL", "line 4"),
    ),
    "binary": ("t.csv", raw(bytes(range(256)) * 20), REGRESSION, ("binary",)),
    "truncated gzip": (
        "t.csv.gz",
        lambda p: cut(p, gzip.compress(SOUND.encode()), 0.7),
        REGRESSION,
        ("cut off",),
    ),
    "damaged gzip": (
        "t.csv.gz",
        raw(gzip.compress(SOUND.encode())[:40] + b"\xff" * 40),
        REGRESSION,
        ("gzip", "damaged"),
    ),
    "damaged parquet": ("t.parquet", damaged_parquet, REGRESSION, ("Parquet", "damaged")),
    "truncated parquet": ("t.parquet", truncated_parquet, REGRESSION, ("Parquet", "cut off")),
    "empty parquet": (
        "t.parquet",
        lambda p: pl.DataFrame({"x": [], "y": []}).write_parquet(p),
        REGRESSION,
        ("no rows",),
    ),
    "mixed encodings": (
        "t.csv",
        raw(SOUND.encode().replace(b"red", "rød".encode(), 1).replace(b"green", b"gr\xfcn", 1)),
        REGRESSION,
        ("mixes encodings", "line 3"),
    ),
    "unclosed quote": (
        "t.csv",
        text(with_rows(r3='3.0,5,"blue,3.5')),
        REGRESSION,
        ("line 4", "never closes"),
    ),
    "after the quote": (
        "t.csv",
        text(with_rows(r3='3.0,5,"blue"x,3.5')),
        REGRESSION,
        ("line 4", "closing double quote"),
    ),
    "columns lacking and extra": (
        "t.csv",
        text(SOUND),
        Table(
            task="regression",
            target="Y",
            columns={"x": Column(), "m": Column(), "k": Column(), "n": Column()},
        ),
        ("'Y'", "2 columns of table.columns", "m, k", "kind"),
    ),
    "not the stated type": (
        "t.csv",
        text(SOUND),
        Table(
            task="regression",
            target="y",
            columns={"kind": Column(type="float")},
            extra_columns="ignore",
        ),
        ("'kind'", "no value is float"),
    ),
    "wrong header width": (
        "t.csv",
        text("x,n,y\n" + "".join(f"{row},1,1\n" for row in ROWS)),
        REGRESSION,
        ("3 names", "6 fields"),
    ),
    "row name taken": (
        "t.csv",
        text(SOUND.replace("x,n,", "__row__,n,")),
        REGRESSION,
        ("__row__",),
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_table_gives_one_clear_error(case: str, tmp_path: Path):
    file, make, table, words = BROKEN[case]
    path = tmp_path / file
    make(path)
    with pytest.raises(DataError) as error:
        read_table(path, table, ReadOptions())
    message = str(error.value)
    assert all(word in message for word in words), message
    assert file in message or "table.columns" in message


def test_enough_broken_tables():
    assert len(BROKEN) >= 30


def gzipped(path: Path) -> None:
    path.write_bytes(gzip.compress(SOUND.encode()))


def semicolons(path: Path) -> None:
    path.write_text(SOUND.replace(",", ";").replace(".", ","))


COMMENTED = "# exported on Monday, by hand\n\n" + SOUND
TWINS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "plain": ("t.csv", text(SOUND)),
    "no last line end": ("t.csv", text(SOUND.rstrip("\n"))),
    "gzip": ("t.csv.gz", gzipped),
    "byte order mark": ("t.csv", text(SOUND, "utf-8-sig")),
    "utf-16": ("t.csv", text(SOUND, "utf-16")),
    "utf-16 without mark": ("t.csv", text(SOUND, "utf-16-be")),
    "utf-32": ("t.csv", text(SOUND, "utf-32")),
    "windows line ends": ("t.csv", text(SOUND.replace("\n", "\r\n"))),
    "old Mac line ends": ("t.csv", text(SOUND.replace("\n", "\r"))),
    "semicolons, decimal comma": ("t.csv", semicolons),
    "excel's sep": ("t.csv", text("sep=;\n" + SOUND.replace(",", ";"))),
    "tabs": ("t.tsv", text(SOUND.replace(",", "\t"))),
    "bars": ("t.txt", text(SOUND.replace(",", "|"))),
    "quoted": ("t.csv", text(SOUND.replace("red", '"red"').replace("blue", '"blue"'))),
    "all quoted": (
        "t.csv",
        text("".join('"' + line.replace(",", '","') + '"\n' for line in SOUND.splitlines())),
    ),
    "spaces around numbers": ("t.csv", text(SOUND.replace(",3,", ", 3 ,"))),
    "spaces around names": ("t.csv", text(SOUND.replace(HEADER, "x , n, kind ,y"))),
    "comments above": ("t.csv", text(COMMENTED)),
    "blank lines": ("t.csv", text(SOUND.replace("\n", "\n\n"))),
    "blank lines and quotes": ("t.csv", text(SOUND.replace("red", '"red"').replace("\n", "\n\n"))),
    "trailing delimiter": ("t.csv", text(SOUND.replace("\n", ",\n"))),
    "trailing delimiter in rows": (
        "t.csv",
        text(SOUND.replace("\n", ",\n").replace(HEADER + ",", HEADER)),
    ),
    "parquet": (
        "t.parquet",
        lambda p: pl.DataFrame({"x": X, "n": N, "kind": KIND, "y": Y}).write_parquet(p),
    ),
    "arrow": (
        "t.arrow",
        lambda p: pl.DataFrame({"x": X, "n": N, "kind": KIND, "y": Y}).write_ipc(p),
    ),
    "arrow stream": (
        "t.arrows",
        lambda p: pl.DataFrame({"x": X, "n": N, "kind": KIND, "y": Y}).write_ipc_stream(p),
    ),
}


@pytest.mark.parametrize("case", TWINS)
def test_sound_twin_is_read_exactly(case: str, tmp_path: Path):
    file, make = TWINS[case]
    path = tmp_path / file
    make(path)
    reading = read_table(path, REGRESSION, ReadOptions())
    expected = pl.DataFrame(
        {ROW: pl.Series(range(1, 13), dtype=pl.UInt32), "x": X, "n": N, "kind": KIND, "y": Y}
    )
    assert reading.frame.equals(expected), reading.frame
    assert reading.frame.schema == expected.schema
    assert not len(reading.unparsed)
    assert [c.type for c in reading.columns.values()] == ["float", "integer", "category", "float"]
    assert reading.columns["y"].role == "target"


def read(path: Path, content: str | bytes, table: Table = REGRESSION, **options: Any) -> Reading:
    path = path / "t.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path, table, ReadOptions(**options))


@pytest.mark.parametrize("quote", ["", '"'])
def test_ragged_rows_are_kept_apart_with_their_line(tmp_path: Path, quote: str):
    long, short = "3.0,5,blue,3.5,9,9", "8.5,10"
    content = with_rows(r3=long, r8=short).replace("green", f"{quote}green{quote}")
    reading = read(tmp_path, content)
    assert reading.frame[ROW].to_list() == list(range(1, 13))
    assert reading.unparsed.rows() == [
        (3, "__line__", long, "6 fields, expected 4"),
        (8, "__line__", short, "2 fields, expected 4"),
    ]
    bad = reading.frame.filter(pl.col(ROW).is_in([3, 8])).drop(ROW)
    assert bad.null_count().row(0) == (2, 2, 2, 2)
    good = reading.frame.filter(~pl.col(ROW).is_in([3, 8]))
    assert good["y"].to_list() == [y for i, y in enumerate(Y) if i not in (2, 7)]
    assert any("row 3 (line 4), 8 (line 9)" in note for note in reading.source["notes"])


def test_a_record_over_two_lines_is_one_row(tmp_path: Path):
    reading = read(tmp_path, with_rows(r2='-1.25,4,"gr\neen",2.5', r5="1,2"))
    assert reading.frame["kind"][1] == "gr\neen"
    assert reading.frame["y"][2] == 3.5
    assert reading.unparsed.row(0)[:3] == (5, "__line__", "1,2")
    assert any("row 5 (line 7)" in note for note in reading.source["notes"])


def test_cells_that_are_no_number_are_kept_apart(tmp_path: Path):
    rows = [f"{i},{i * 2}" for i in range(40)]
    rows[4], rows[9], rows[11] = '"1,234",8', "forty-one,18", "1e999,22"
    reading = read(tmp_path, "x,y\n" + "\n".join(rows), type_share=0.9)
    assert reading.unparsed.select("column", "value").rows() == [
        ("x", "1,234"),
        ("x", "forty-one"),
        ("x", "1e999"),
    ]
    assert reading.frame["x"].null_count() == 3
    assert reading.source["format"]["columns"]["x"] == {"type": "integer", "unparsed": 3}


def test_a_value_that_is_no_number_is_told_of_as_one(tmp_path: Path):
    (tmp_path / "t.csv").write_text("a,y\n" + "1.5,2\n" * 20 + "2.5,3\n" * 20 + "x,2\n")
    table = Table(task="regression", target="y", columns={"a": Column(type="float")})
    notes = read_table(tmp_path / "t.csv", table, ReadOptions()).source["notes"]
    assert "a: 1 value is not float: 'x' (row 41); quarantine" in notes


def test_a_target_that_is_half_numbers_goes_to_quarantine(tmp_path: Path):
    reading = read(tmp_path, with_target([*Y[:9], "high", "low", "low"]))
    assert reading.unparsed["value"].to_list() == ["high", "low", "low"]
    assert reading.frame["y"].to_list() == [*Y[:9], None, None, None]


def test_constant_and_empty_columns_are_noted(tmp_path: Path):
    content = "c,e,x,y\n" + "".join(f"5,,{x},{y}\n" for x, y in zip(X, Y, strict=True))
    reading = read(tmp_path, content)
    assert [c.role for c in reading.columns.values()] == ["ignore", "ignore", "feature", "target"]
    assert any("constant" in note for note in reading.source["notes"])
    assert any("all missing" in note for note in reading.source["notes"])


def test_a_thousand_columns(tmp_path: Path):
    names = [f"c{i}" for i in range(1000)]
    lines = [",".join([*names, "y"])]
    lines += [",".join([*(str(i * k) for i in range(1000)), str(k)]) for k in range(20)]
    reading = read(tmp_path, "\n".join(lines))
    assert reading.frame.shape == (20, 1002)
    assert reading.frame["c999"].to_list() == [999 * k for k in range(20)]


def test_columns_that_params_do_not_list_may_be_left_out(tmp_path: Path):
    columns = {"x": Column(), "gone": Column(required=False)}
    table = Table(task="regression", target="y", columns=columns, extra_columns="ignore")
    reading = read(tmp_path, SOUND, table)
    assert reading.frame.columns == [ROW, "x", "y"]
    assert any("n, kind" in note for note in reading.source["notes"])


def test_a_table_without_a_header(tmp_path: Path):
    table = Table(task="regression", target="column_4")
    reading = read(tmp_path, "\n".join(ROWS), table)
    assert reading.frame.columns == [ROW, "column_1", "column_2", "column_3", "column_4"]
    assert reading.frame["column_4"].to_list() == Y
    assert reading.source["format"]["first_row_on_line"] == 1


def test_names_of_rows_that_r_writes(tmp_path: Path):
    content = HEADER + "\n" + "".join(f"name_{i},{row}\n" for i, row in enumerate(ROWS))
    reading = read(tmp_path, content)
    assert reading.frame.columns == [ROW, "row_name", "x", "n", "kind", "y"]
    assert reading.frame["y"].to_list() == Y


def test_windows_1252_says_what_it_was_taken_for(tmp_path: Path):
    reading = read(tmp_path, SOUND.replace("green", "grün €").encode("cp1252"))
    assert reading.frame["kind"][1] == "grün €"
    assert reading.source["format"]["encoding"] == "cp1252"
    assert any("cp1252" in note for note in reading.source["notes"])


def test_a_stated_encoding_counts(tmp_path: Path):
    reading = read(tmp_path, SOUND.replace("green", "зелёный").encode("cp1251"), encoding="cp1251")
    assert reading.frame["kind"][1] == "зелёный"
