"""A table as its files have it, and typed columns: some at a time, where there are many rows."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from tasks.core.schema import ROW, Type
from tasks.ingest import binary

UNPARSED = {ROW: pl.UInt32, "column": pl.String, "value": pl.String, "reason": pl.String}
LINE = "__line__"  # the column that `unparsed` names for a row with too many or too few fields
CELLS = 20_000_000  # that are in memory at once; of a longer table one column is
_folder: ContextVar[Path | None] = ContextVar("folder", default=None)


class Raw(NamedTuple):
    """A file's columns before types are settled: strings (text files) or the file's own types.

    `types`: those of columns whose type is known without params' columns saying it.
    """

    table: pl.LazyFrame
    text: bool
    ragged: pl.DataFrame
    format: dict
    notes: list[str]
    types: Mapping[str, Type] = MappingProxyType({})

    @property
    def rows(self) -> int:
        """Return how many rows there are."""
        return self.table.select(pl.len()).collect().item()

    @property
    def names(self) -> list[str]:
        """Return the columns' names, ROW first."""
        return self.table.collect_schema().names()

    def read(self, names: list[str], file: str) -> pl.DataFrame:
        """Return some columns.

        Raises:
            DataError: the file, called `file` in the message, is damaged.
        """
        return binary.collected(self.table.select(names), file)


def numbered(table: pl.LazyFrame) -> pl.LazyFrame:
    """Return a table with the numbers of its rows, from 1, as its first column."""
    return table.with_row_index(ROW, offset=1).cast({ROW: pl.UInt32})


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Let typed columns of large tables lie in files of a folder, within the block."""
    before = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(before)


class Kept:
    """Typed columns: in memory; of a large table in `kept_in`'s folder, but for those that are as
    the file has them, which are read there again.
    """

    def __init__(self, raw: Raw, names: list[str]) -> None:
        at_once = max(1, CELLS // max(1, raw.rows))
        self.lots = [names[begin : begin + at_once] for begin in range(0, len(names), at_once)]
        self._raw = raw.table
        self._same: list[str] = []
        self._others: list[pl.LazyFrame] = []
        self._of: dict[str, pl.LazyFrame | pl.DataFrame] = {}

    def add(self, typed: list[pl.Series], cells: pl.DataFrame) -> None:
        """Keep the columns made of a lot's cells."""
        folder = _folder.get() if len(self.lots) > 1 else None
        if folder:
            same = [each.name for each in typed if _equal(each, cells[each.name])]
            self._same += same
            self._of |= dict.fromkeys(same, self._raw)
            typed = [each for each in typed if each.name not in same]
        if not typed:
            return
        made = pl.DataFrame(typed)
        names = made.columns
        if folder:
            path = folder / f"{len(list(folder.iterdir()))}.parquet"
            made.write_parquet(path, compression="lz4", statistics=False)
            made = pl.scan_parquet(path)
        self._others.append(made.lazy())
        self._of |= dict.fromkeys(names, made)

    def table(self) -> pl.LazyFrame:
        """Return all columns side by side, in any order."""
        pieces = [*([self._raw.select(self._same)] if self._same else []), *self._others]
        return pieces[0] if len(pieces) == 1 else pl.concat(pieces, how="horizontal_extend")

    def column(self, name: str) -> pl.Series:
        """Return a column."""
        found = self._of[name]
        if isinstance(found, pl.DataFrame):
            return found[name]
        return found.select(name).collect().to_series()


def _equal(one: pl.Series, other: pl.Series) -> bool:
    return one.dtype == other.dtype and one.equals(other, null_equal=True)
