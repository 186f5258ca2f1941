"""The records of a delimited text: how wide each is, on which line it begins, and its fields."""

import csv
import io
import re
from typing import NamedTuple, Protocol

import polars as pl

from tasks.core.errors import DataError

CHUNK = 50_000  # records that are turned into columns at once
FIELD_LIMIT = 1 << 24


class Records(Protocol):
    """What both kinds of text give. A record is a line, or several where quotes hold line ends."""

    @property
    def widths(self) -> pl.Series:
        """Return the count of fields of each record, UInt32; blank lines are no records."""
        ...

    @property
    def lines(self) -> pl.Series:
        """Return the line that each record begins on, from 1, UInt32."""
        ...

    @property
    def blank(self) -> int:
        """Return how many lines were left out because nothing is on them."""
        ...

    def fields(self, width: int, skip: int) -> pl.DataFrame:
        """Return the fields of the records after `skip` that have `width` of them, as String."""
        ...

    def raw(self, indices: list[int]) -> list[str]:
        """Return the texts of records as they are in the file."""
        ...


class Plain(NamedTuple):
    """Records without quoted fields: one a line, split by Polars."""

    widths: pl.Series
    lines: pl.Series
    blank: int
    kept: pl.Series  # String, the lines
    delimiter: str

    def fields(self, width: int, skip: int) -> pl.DataFrame:
        good = (self.widths == width).slice(skip)
        rows = self.kept.slice(skip).filter(good)
        if width == 1:
            return rows.to_frame("field_0")
        return rows.str.split_exact(self.delimiter, width - 1).struct.unnest()

    def raw(self, indices: list[int]) -> list[str]:
        return self.kept.gather(indices).to_list()


def plain(body: bytes, delimiter: str) -> Plain:
    """Return the records of a text in which quotes mean nothing."""
    lines = pl.read_lines(io.BytesIO(body))["line"]
    filled = lines.str.strip_chars() != ""
    numbers = pl.int_range(1, len(lines) + 1, eager=True, dtype=pl.UInt32)
    kept = lines.filter(filled)
    widths = kept.str.count_matches(delimiter, literal=True) + 1
    return Plain(widths, numbers.filter(filled), len(lines) - len(kept), kept, delimiter)


class Quoted(NamedTuple):
    """Records of which some fields stand in double quotes."""

    widths: pl.Series
    lines: pl.Series
    blank: int
    text: str
    delimiter: str
    simple: bool  # every quote opens or closes a field: Polars reads them as csv does

    def fields(self, width: int, skip: int) -> pl.DataFrame:
        if self.simple and not self.blank and (self.widths == width).all():
            frame = pl.read_csv(
                self.text.encode(),
                has_header=False,
                separator=self.delimiter,
                infer_schema=False,
                empty_string_is_null=False,
            )
            if len(frame) == len(self.widths):
                return frame.slice(skip)
        reader = csv.reader(
            io.StringIO(self.text, newline=""), delimiter=self.delimiter, strict=True
        )
        chunks, part, seen = [], [], 0
        for record in reader:
            if not _filled(record):
                continue
            seen += 1
            if seen > skip and len(record) == width:
                part.append(record)
            if len(part) == CHUNK:
                chunks.append(_columns(part, width))
                part = []
        return pl.concat([*chunks, _columns(part, width)])

    def raw(self, indices: list[int]) -> list[str]:
        if not indices:
            return []
        lines = list(io.StringIO(self.text, newline=""))  # the same lines that csv counts
        starts = [*self.lines.to_list(), len(lines) + 1]
        return ["".join(lines[starts[i] - 1 : starts[i + 1] - 1]).rstrip("\r\n") for i in indices]


def quoted(body: bytes, delimiter: str, name: str, first_line: int) -> Quoted:
    """Return the records of a text whose fields may stand in double quotes.

    Raises:
        DataError: a quote that does not close, or text after a closing quote; with the line.
    """
    text = body.decode()
    widths, lines, blank, start = [], [], 0, 1
    before = csv.field_size_limit(FIELD_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for record in reader:
            if _filled(record):
                widths.append(len(record))
                lines.append(start)
            else:
                blank += 1
            start = reader.line_num + 1
    except csv.Error as error:
        reason = str(error)
        if "end of data" in reason or "limit" in reason:
            reason = "a double quote opens there and never closes"
        elif "expected after" in reason:
            start, reason = reader.line_num, "text follows a closing double quote"
        raise DataError(
            f"{name}: line {start + first_line - 1}: {reason}. Inside quotes write a quote twice "
            '("") , or quote no field at all'
        ) from None
    finally:
        csv.field_size_limit(before)
    mark = re.escape(delimiter)
    stray = re.search(rf'(?<![{mark}\n\r"])"(?![{mark}\n\r"])|(?<!\n)"\s*\Z(?<!")', text)
    return Quoted(
        pl.Series(widths, dtype=pl.UInt32),
        pl.Series(lines, dtype=pl.UInt32),
        blank,
        text,
        delimiter,
        stray is None or stray.start() == 0,
    )


def _filled(record: list[str]) -> bool:
    return len(record) > 1 or bool(record and record[0].strip())


def _columns(records: list[list[str]], width: int) -> pl.DataFrame:
    columns = list(zip(*records, strict=True)) or [()] * width
    return pl.DataFrame(
        [pl.Series(f"field_{i}", c, dtype=pl.String) for i, c in enumerate(columns)]
    )
