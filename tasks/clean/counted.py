"""What a table of sensors has that a plan of `tasks.frames` does away with, counted in one pass."""

import polars as pl

from tasks.clean.findings import Finding, finding
from tasks.clean.series import groups
from tasks.core.schema import ROW, Columns
from tasks.frames.spec import Work


def told(frame: pl.LazyFrame, columns: Columns, work: Work) -> dict[str, int]:
    """Return counts of the table: rows, those without series or time (`nowhere`), and of each
    column the values outside its range; and (`first …`) the first row of each.
    """
    masks = {"nowhere": pl.any_horizontal(pl.col(*groups(columns), work.time).is_null())}
    for column in work.columns:
        value = pl.col(column.name).cast(pl.Float64)
        low = pl.lit(False) if column.low is None else value < column.low
        high = pl.lit(False) if column.high is None else value > column.high
        masks[column.named] = (low | high) & value.is_finite()
    asked = {"rows": pl.len()}
    for name, mask in masks.items():
        asked |= {name: mask.sum(), f"first {name}": pl.col(ROW).filter(mask).min()}
    return frame.select(**asked).collect(engine="streaming").to_dicts()[0]


def found(counts: dict[str, int], work: Work, made_of: int) -> list[Finding]:
    """Return the counts as findings; made_of: rows of which the grid was made."""
    entries = [
        finding(what, column, "", counts[name], counts[f"first {name}"])
        for what, column, name in (
            ("without series or time", "", "nowhere"),
            *(("outside its range", c.name, c.named) for c in work.columns),
        )
        if counts[name]
    ]
    if repeats := counts["rows"] - counts["nowhere"] - made_of:
        entries.append(finding("repeats of a series and time", "", "the first stays", repeats))
    return entries
