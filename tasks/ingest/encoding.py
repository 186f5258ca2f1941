"""Bytes of a text file to UTF-8, saying which encoding they were taken for."""

import codecs
import re
from typing import NamedTuple

from tasks.core.errors import DataError

BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
SAMPLE = 4096


class Text(NamedTuple):
    """A text as UTF-8 bytes without a byte order mark, and what it was."""

    content: bytes
    encoding: str
    bom: bool
    notes: list[str]


def to_utf8(content: bytes, name: str, encoding: str | None = None) -> Text:
    """Return a text file's content as UTF-8.

    A byte order mark decides; else UTF-16 shows by its zeros, UTF-8 by being valid; what is
    neither is Windows-1252 (Latin-1 where it uses bytes that Windows-1252 does not have).

    Raises:
        DataError: it is binary, holds NUL bytes, mixes encodings, or is not in the stated encoding.
    """
    notes: list[str] = []
    bom, marked = next(((m, e) for m, e in BOMS if content.startswith(m)), (b"", None))
    content = content[len(bom) :]
    found = encoding or marked or _without_mark(content, name)
    if encoding and marked and bom:
        found = marked
    if found == "ascii":
        found = "utf-8"
    if found == "utf-8":
        try:
            if not content.isascii():
                content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _undecodable(content, error, name, found) from None
    else:
        try:
            content = content.decode(found).encode("utf-8")
        except UnicodeDecodeError as error:
            raise _undecodable(content, error, name, found) from None
        if not encoding and not bom:
            notes.append(
                f"encoding: not UTF-8, taken for {found}; if letters look wrong, state "
                "ingest.options.encoding"
            )
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise DataError(
            f"{name}: line {line} holds a NUL byte: a binary or damaged file, expected text; "
            "export the table again"
        )
    return Text(content, found, bool(bom), notes)


def _without_mark(content: bytes, name: str) -> str:
    sample = content[:SAMPLE]
    half = max(len(sample) // 2, 1)
    even, odd = sample[0::2].count(0) / half, sample[1::2].count(0) / half
    if odd > 0.4 and even < 0.05:
        return "utf-16-le"
    if even > 0.4 and odd < 0.05:
        return "utf-16-be"
    if content.isascii():
        return "utf-8"
    try:
        content.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError as error:
        if len(CONTROL.findall(sample)) > len(sample) / 100:
            raise DataError(
                f"{name}: binary, expected text (CSV), Parquet or Arrow; it begins with "
                f"{sample[:8].hex(' ')}"
            ) from None
        valid = content.decode("utf-8", errors="ignore")
        if not valid.isascii():
            line = content.count(b"\n", 0, error.start) + 1
            raise DataError(
                f"{name}: mixes encodings: line {line} is not UTF-8 "
                f"(byte 0x{content[error.start]:02x}), other lines are; save it in one "
                "encoding, or state ingest.options.encoding"
            ) from None
    try:
        content.decode("cp1252")
        return "cp1252"
    except UnicodeDecodeError:
        return "latin-1"


def _undecodable(content: bytes, error: UnicodeDecodeError, name: str, found: str) -> DataError:
    line = content.count(b"\n", 0, error.start) + 1
    return DataError(
        f"{name}: line {line} is not {found} (byte 0x{content[error.start]:02x}: {error.reason}); "
        "the file is cut off or in another encoding: state ingest.options.encoding"
    )
