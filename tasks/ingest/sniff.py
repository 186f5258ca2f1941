"""What a delimited text looks like: preamble, delimiter, header. Decided on its first lines."""

import csv
import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from tasks.core.errors import DataError
from tasks.ingest.options import ReadOptions

DELIMITERS = ";\t|,"  # in this order where several fit: a comma may be a decimal mark
SAMPLE_BYTES = 1 << 18
SAMPLE_LINES = 1000
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?$")
MARKS = frozenset(
    [
        *("", "na", "n/a", "n.a.", "nan", "null", "(null)", "none", "nil"),
        *("-", "--", "?", ".", "#n/a", "#na", "<na>"),
    ]
)


class Shape(NamedTuple):
    """What the first lines say of a text."""

    skipped: int  # lines before the table
    skipped_bytes: int
    delimiter: str
    width: int  # fields of most records
    header: bool
    why_header: str
    names: list[str]  # of the first record, whatever it is


def shape(content: bytes, name: str, options: ReadOptions, expected: Iterable[str]) -> Shape:
    """Return how a text's fields are to be told apart; `expected` are names that params speak of.

    Raises:
        DataError: no delimiter gives two columns or more.
    """
    skipped, skipped_bytes, delimiter = _preamble(content, options.delimiter)
    sample = _sample(content[skipped_bytes : skipped_bytes + SAMPLE_BYTES])
    delimiter = delimiter or _delimiter(sample, name)
    records = _records(sample, delimiter)
    width = Counter(map(len, records[1:] or records)).most_common(1)[0][0]
    header, why = _header(records, options.header, set(expected))
    return Shape(skipped, skipped_bytes, delimiter, width, header, why, records[0])


def _preamble(content: bytes, delimiter: str | None) -> tuple[int, int, str | None]:
    """Return lines and bytes before the table (`sep=;`, comments), and the stated delimiter."""
    lines = bytes_ = 0
    while True:
        end = content.find(b"\n", bytes_)
        line = content[bytes_ : end if end >= 0 else len(content)].decode("utf-8", "replace")
        stated = re.fullmatch(r'"?sep=(.)"?\s*', line)
        if stated and lines == 0:
            delimiter = delimiter or stated[1]
        elif line.startswith("#"):
            after = (
                content[end + 1 : end + 1 + SAMPLE_BYTES]
                .split(b"\n", 1)[0]
                .decode("utf-8", "replace")
            )
            splits = [d for d in (delimiter or DELIMITERS) if line.count(d)]
            if not after.startswith("#") and any(line.count(d) == after.count(d) for d in splits):
                return lines, bytes_, delimiter  # names that begin with #
        elif line.strip():
            return lines, bytes_, delimiter
        if end < 0:
            return lines, bytes_, delimiter
        lines, bytes_ = lines + 1, end + 1


def _sample(content: bytes) -> list[str]:
    text = content.decode("utf-8", "ignore")
    lines = [line for line in text.splitlines(keepends=True) if line.strip()]
    whole = lines[:-1] if len(content) >= SAMPLE_BYTES and len(lines) > 1 else lines
    return whole[:SAMPLE_LINES]


def _records(sample: list[str], delimiter: str) -> list[list[str]]:
    try:
        return [record for record in csv.reader(sample, delimiter=delimiter) if record] or [[""]]
    except csv.Error:
        return [line.rstrip("\r\n").split(delimiter) for line in sample] or [[""]]


def _delimiter(sample: list[str], name: str) -> str:
    best, best_score = "", (-1.0, 0.0)
    for delimiter in DELIMITERS:
        widths = [len(record) for record in _records(sample, delimiter)]
        width, count = Counter(widths[1:] or widths).most_common(1)[0]
        if width < 2:
            continue
        share = count / max(len(widths) - 1, 1)
        fits_header = 1.0 if abs(widths[0] - width) <= 1 and widths[0] > 1 else 0.0
        score = (fits_header, round(share, 1))
        if score > best_score:
            best, best_score = delimiter, score
    if best:
        return best
    first = sample[0].strip()[:60] if sample else ""
    spaced = len(first.split()) > 1 and all(len(line.split()) > 1 for line in sample[:20])
    hint = " It looks separated by spaces: save it with commas or tabs." if spaced else ""
    raise DataError(
        f"{name}: one column only, expected two or more. Looked for , ; tab and | between them; "
        f"the first line is {first!r}.{hint} State ingest.options.delimiter if it is another."
    )


def is_number(text: str) -> bool:
    """Return whether a text is written like a number (with either decimal mark)."""
    return bool(NUMBER.match(text.strip()))


def _header(records: list[list[str]], stated: bool | None, expected: set[str]) -> tuple[bool, str]:
    """Return whether the first record holds names, and why that is thought."""
    if stated is not None:
        return stated, "stated in ingest.options.header"
    first, rest = [cell.strip() for cell in records[0]], records[1:]
    if expected & set(first):
        return True, "the first line holds names that params state"
    if not rest:
        return not all(map(is_number, first)), "one line only"
    names = numbers = 0
    for index, cell in enumerate(first):
        below = [r[index].strip() for r in rest if index < len(r)]
        below = [value for value in below if value.lower() not in MARKS]
        if cell.lower() in MARKS or not below:
            continue
        if sum(map(is_number, below)) >= 0.9 * len(below):
            numbers, names = numbers + is_number(cell), names + (not is_number(cell))
    if names or not numbers:
        return True, (
            "names above columns of numbers" if names else "the first line holds no numbers"
        )
    return False, "the first line holds numbers like the lines below it"
