"""Which values and rows of a table are equal, counted exactly and without the table in memory.

A row is known by a hash of 64 bits first. Equal rows have equal hashes, so only those whose hash
comes twice are compared: of most tables few or none.
"""

import polars as pl

CELLS = 4_000_000  # values, or rows, that are compared at once
HEAD = 100_000  # rows that show whether a column's values repeat
HASH = "__hash__"


def values(table: pl.LazyFrame, names: list[str], rows: int) -> dict[str, int]:
    """Return how many different values, without null, each of these columns has.

    rows: how many the table has. Columns of a small table are counted together; a long one by
    itself, and in parts, by the hash of its values, where they hardly repeat.
    """
    found: dict[str, int] = {}
    head = table.select(names).head(HEAD if rows > CELLS else 0).collect()
    at_once = max(1, CELLS // max(rows, 1))
    for begin in range(0, len(names), at_once):
        some = names[begin : begin + at_once]
        repeating = 2 * head[some[0]].n_unique() <= head.height
        parts = 1 if repeating else -(-rows // CELLS)
        for part in range(parts):
            here = table.select(some)
            if parts > 1:
                here = here.filter(pl.col(some[0]).hash() % parts == part)
            counted = here.select(pl.all().drop_nulls().n_unique())
            counts = counted.collect(engine="streaming" if rows > CELLS else "in-memory")
            for name, count in counts.row(0, named=True).items():
                found[name] = found.get(name, 0) + count
    return found


def repeats(table: pl.LazyFrame, names: list[str]) -> int:
    """Return how many rows repeat an earlier one in these columns."""
    mark = pl.struct(names).hash().alias(HASH)
    several, rows = _several(table, mark)
    parts, different = -(-rows // CELLS), 0
    for part in range(parts):
        here = several.filter(pl.col(HASH) % parts == part)
        some = _with(table.select(names), mark, here).drop(HASH).collect(engine="streaming")
        different += some.unique(maintain_order=False).height
    return rows - different


def twins(table: pl.LazyFrame, names: list[str]) -> pl.DataFrame:
    """Return the rows, in their order, that equal another in these columns by their hash: every one
    that does, and perhaps one in 10^19 pairs that does not.
    """
    mark = pl.struct(names).hash().alias(HASH)
    several, _ = _several(table, mark)
    return _with(table, mark, several).drop(HASH).collect(engine="streaming")


def _several(table: pl.LazyFrame, mark: pl.Expr) -> tuple[pl.DataFrame, int]:
    """Return the hashes that several rows have, and how many rows have one of them."""
    hashes = table.select(mark).collect(engine="streaming").to_series().sort()
    again = hashes == hashes.shift()
    several = hashes.filter(again).unique()
    return several.to_frame(), int(again.sum()) + several.len()


def _with(table: pl.LazyFrame, mark: pl.Expr, hashes: pl.DataFrame) -> pl.LazyFrame:
    """Return the rows, in their order, that have one of these hashes."""
    marked = table.with_columns(mark)
    return marked.join(hashes.lazy(), on=HASH, how="semi", maintain_order="left")
