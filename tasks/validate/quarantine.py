"""Quarantine: every bad cell with its row, value and reason, and the words when it is too many."""

from pathlib import Path

import polars as pl

from tasks.core.schema import ROW, Columns
from tasks.core.temporary import write
from tasks.validate.schema import CELLS

LINE = "__line__"  # the `column` of what is wrong with a whole line of the file
SHOWN_ROWS = 5
_NOT_A = {
    "float": "not a number",
    "integer": "not a whole number",
    "boolean": "not true or false",
    "datetime": "not a date or time",
    "image": "not an image",
}


def unparsed(path: Path, columns: Columns) -> pl.DataFrame:
    """Return the cells that `ingest` could not read as their column's type, with the reason.

    A column that is ignored makes no row bad. `unparsed.parquet` has row, column and value (of a
    whole line, its text); where it has `reason` too, that one counts.
    """
    if not path.exists():
        return pl.DataFrame(schema=CELLS)
    cells = pl.read_parquet(path)
    ignored = [name for name, column in columns.items() if column.role == "ignore"]
    words = {name: _NOT_A.get(c.type or "", "not readable") for name, c in columns.items()}
    words[LINE] = "not as many fields as the header"
    derived = pl.col("column").replace_strict(words, default="not readable")
    given = [pl.col("reason")] if "reason" in cells.columns else []
    return (
        cells.filter(~pl.col("column").is_in(ignored))
        .select(
            pl.col(ROW).cast(pl.UInt32),
            "column",
            pl.col("value").cast(pl.String),
            pl.coalesce(*given, derived).cast(pl.String).alias("reason"),
        )
        .sort(ROW, "column")
    )


def counts(cells: pl.DataFrame) -> list[dict]:
    """Return rows a reason and column, most first."""
    return (
        cells.with_columns(pl.col("reason").str.replace(r" in row \d+$", ""))
        .group_by("reason", "column")
        .agg(pl.col(ROW).n_unique().alias("rows"))
        .sort(["rows", "column", "reason"], descending=[True, False, False])
        .to_dicts()
    )


def too_many(cells: pl.DataFrame, bad: int, rows: int, limit: float, kept: Path) -> str:
    """Return the message for a table with more bad rows than `max_bad_share` allows."""
    lines = [
        f"{bad} of {rows} rows ({bad / rows:.1%}) are bad, more than validate.max_bad_share = "
        f"{limit:g} allows:"
    ]
    reasons = counts(cells)
    for entry in reasons[:12]:
        where = "" if entry["column"] == LINE else f"{entry['column']}: "
        of_this = cells.filter(
            (pl.col("column") == entry["column"])
            & pl.col("reason").str.starts_with(entry["reason"])
        ).head(SHOWN_ROWS)
        examples = ", ".join(
            f"row {row}" + (f" {_short(value)}" if value is not None else "")
            for row, value in of_this.select(ROW, "value").iter_rows()
        )
        more = ", ..." if entry["rows"] > of_this.height else ""
        lines.append(f"  {where}{entry['reason']}: {_rows(entry['rows'])} ({examples}{more})")
    if len(reasons) > 12:
        lines.append(f"  ... and {len(reasons) - 12} more kinds")
    lines.append(
        f"All of them: {kept}. Correct the data, or what `columns` in params.yaml expects of it, "
        "or raise validate.max_bad_share to leave these rows out."
    )
    return "\n".join(lines)


def keep(cells: pl.DataFrame, path: Path) -> None:
    """Write bad cells to a CSV file, for reading."""
    write(path, cells.write_csv())


def _rows(count: int) -> str:
    return f"{count} row" + ("" if count == 1 else "s")


def _short(value: str, width: int = 40) -> str:
    return repr(value if len(value) <= width else value[: width - 3] + "...")
