"""What is said of the rows that `validate` set aside, and a file of them for reading."""

import json
from pathlib import Path

import polars as pl

from tasks.validate.quarantine import LINE, keep


def told(report: Path, kept: Path) -> str | None:
    """Return how many rows were set aside, why most of them, and where they are; None: none were.

    Args:
        report: the folder of `validate/report`.
        kept: the CSV file that gets every bad cell, with its row, value and reason.
    """
    checks = json.loads((report / "checks.json").read_text())
    if not checks["bad_rows"]:
        return None
    keep(pl.read_parquet(report / "quarantine.parquet"), kept)
    most = checks["reasons"][0]
    where = "" if most["column"] == LINE else f"{most['column']}: "
    often = f"{where}{most['reason']}"
    if len(checks["reasons"]) > 1:
        often = f"most often {often} ({most['rows']:,})"
    return (
        f"validate: {checks['bad_rows']:,} of {checks['rows']:,} rows set aside, {often}; "
        f"all of them: {kept}"
    )
