"""Cleans a table part by part, so that memory is that of a part and a killed run goes on.

A part is some whole series, about `PART_ROWS` rows together. That gives the table that all at once
would give, because the first steps look no further than a series (`SCOPE`), and one of them puts
the rows into the order of series and time; the steps from the first that looks at the whole table
on get it in one piece. Finished parts are kept in the checkpoint. A first step that goes from file
to file by itself does so instead.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from tasks.clean import accounting, chain, findings, repairs
from tasks.clean.series import groups
from tasks.core import frames, progress
from tasks.core.errors import DataError
from tasks.core.plugins import Plugin
from tasks.core.schema import ROW, Columns, load_columns, save_columns

PART_ROWS = 1_000_000  # of the raw table
DONE = "account.json"  # the last file of a part
DIVIDED = "divided"  # there once the rows of all parts are in files of their own
PART = "__part__"


class How(NamedTuple):
    """How steps are done, and where: see `run`."""

    device: str
    demanded: bool
    accounts: chain.Accounts
    checkpoint: Path
    out: Path

    def work(
        self, frame: pl.DataFrame, columns: Columns, steps: list[Plugin], may_empty: bool = False
    ) -> tuple[pl.DataFrame, Columns, list[dict[str, Any]]]:
        """Return what `chain.run` gives."""
        using = (self.device, self.demanded, may_empty, self.accounts)
        return chain.run(frame, columns, steps, *using)

    def streams(self, steps: list[Plugin]) -> bool:
        """Return whether steps are one plan that need not have the table in memory."""
        rows = [getattr(step.module, "SCOPE", "table") == "row" for step in steps]
        looks = [chain.looks(step) for step in steps]
        one = self.accounts == "rows" and all(rows) and not any(looks)
        return bool(steps) and self.device == "cpu" and one


def run(
    source: Path,
    columns: Columns,
    steps: list[Plugin],
    device: str,
    checkpoint: Path,
    out: Path,
    demanded: bool = False,
    accounts: chain.Accounts = "cells",
) -> list[dict[str, Any]]:
    """Write table.parquet and columns.json into a folder; return an account of each step.

    Args:
        source: the raw table's file.
        columns: what it is.
        steps: in order.
        device: `cpu` or `cuda`.
        checkpoint: the folder where finished parts are kept.
        out: the folder that gets the results.
        demanded, accounts: see `chain.run`.

    Raises:
        DataError: a step left no row.
        EngineUnavailable: the GPU was demanded, and is not here or cannot do a step.
        ParamsError: a step names columns that are not there.
    """
    chain.require(device, demanded)
    how = How(device, demanded, accounts, checkpoint, out)
    first, rest = divided(steps)
    keys = groups(columns)
    by_files = bool(first and rest) and chain.goes_by_itself(rest[0])
    parts = _parts(source, keys) if first and keys and (by_files or _orders(first)) else []
    if len(parts) < 2 and not by_files:
        return _finish(pl.scan_parquet(source), columns, steps, how)
    count = max(1, len(parts))
    folders = [checkpoint / f"{number:05d}" for number in range(count)]
    if count > 1 and not (checkpoint / DIVIDED).exists():
        _divide(source, parts, checkpoint)
    for number, folder in enumerate(folders):
        with progress.within(number / count, (number + 1) / count, f"part {number + 1}"):
            if not (folder / DONE).exists():
                pieces = _pieces(checkpoint, number) if count > 1 else [source]
                _clean_part(pieces, columns, first, how, folder)
                for piece in pieces if count > 1 else []:
                    piece.unlink()
    return _together(folders, rest, how)


def divided(steps: list[Plugin]) -> tuple[list[Plugin], list[Plugin]]:
    """Return the steps that look no further than a series, and those from the first that looks at
    the whole table, or goes from file to file.
    """
    for position, step in enumerate(steps):
        table = getattr(step.module, "SCOPE", "table") == "table"
        if table or chain.goes_by_itself(step):
            return steps[:position], steps[position:]
    return steps, []


def _orders(steps: list[Plugin]) -> bool:
    """Return whether the steps leave rows in the order of series and time."""
    return any(accounting.kind(step.module) != "keeps" for step in steps)


def _parts(source: Path, keys: list[str]) -> list[pl.DataFrame]:
    """Return the series of each part, in order; a series of many rows is a part of its own."""
    sizes = (
        pl.scan_parquet(source)
        .group_by(keys)
        .agg(pl.len().alias("__rows__"))
        .sort(keys)
        .collect(engine="streaming")
    )
    parts, begin, rows = [], 0, 0
    for position, size in enumerate(sizes["__rows__"]):
        if rows and rows + size > PART_ROWS:
            parts.append(sizes[begin:position].select(keys))
            begin, rows = position, 0
        rows += size
    return [*parts, sizes[begin:].select(keys)]


def _divide(source: Path, parts: list[pl.DataFrame], checkpoint: Path) -> None:
    """Write the rows of each part into files of its own, in one pass over the table."""
    numbered = [part.with_columns(pl.lit(n).alias(PART)) for n, part in enumerate(parts)]
    whose = pl.concat(numbered)
    keys = parts[0].columns
    checkpoint.mkdir(parents=True, exist_ok=True)
    rows = pl.scan_parquet(source)
    total = rows.select(pl.len()).collect().item()
    for piece, begin in enumerate(range(0, total, PART_ROWS)):
        progress.report(0, f"dividing, row {begin}")
        frame = rows.slice(begin, PART_ROWS).collect()
        frame = frame.join(whose, on=keys, how="left", nulls_equal=True, maintain_order="left")
        split = frame.partition_by(PART, as_dict=True, include_key=False, maintain_order=True)
        for (number,), own in split.items():
            own.write_parquet(checkpoint / f"{number:05d}-{piece:05d}.parquet", compression="lz4")
    (checkpoint / DIVIDED).touch()


def _pieces(checkpoint: Path, number: int) -> list[Path]:
    return sorted(checkpoint.glob(f"{number:05d}-*.parquet"))


def _clean_part(
    pieces: list[Path], columns: Columns, steps: list[Plugin], how: How, to: Path
) -> None:
    """Clean the rows of some series into a folder, which is there whole or not at all."""
    frame = pl.concat(pl.read_parquet(piece) for piece in pieces).rechunk()
    frame, after, accounts = how.work(frame, columns, steps, may_empty=True)
    unfinished = to.with_name(f"{to.name}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    frames.write(frame, unfinished / "table.parquet")
    save_columns(after, unfinished)
    (unfinished / DONE).write_text(json.dumps(accounts))
    shutil.rmtree(to, ignore_errors=True)
    unfinished.rename(to)


def _together(folders: list[Path], rest: list[Plugin], how: How) -> list[dict[str, Any]]:
    """Put the parts together, do the rest of the steps, and write what comes of it."""
    accounts = [json.loads((folder / DONE).read_text()) for folder in folders]
    offsets = _offsets(accounts)
    merged = [
        _merged(list(of_step), [offset[step] for offset in offsets])
        for step, of_step in enumerate(zip(*accounts, strict=True))
    ]
    for before in merged:
        if before["rows_before"] and not before["rows_after"]:
            raise DataError(chain.nothing_left(before["step"], before["rows_before"]))
    parts = zip(
        (pl.scan_parquet(folder / "table.parquet") for folder in folders), offsets, strict=True
    )
    table = pl.concat(
        part.with_columns((pl.col(ROW) + offset[-1]).cast(pl.UInt32)) for part, offset in parts
    )
    return merged + _finish(table, load_columns(folders[0]), rest, how)


def _finish(
    table: pl.LazyFrame, columns: Columns, steps: list[Plugin], how: How
) -> list[dict[str, Any]]:
    """Do the steps that are left, write what comes of it, and return their accounts."""
    accounts: list[dict[str, Any]] = []
    if steps and chain.goes_by_itself(steps[0]):
        using = (how.checkpoint, how.device, how.demanded)
        table, columns, account = steps[0].module.from_file(table, columns, steps[0].typed, *using)
        if account["rows_before"] and not account["rows_after"]:
            raise DataError(chain.nothing_left(account["step"], account["rows_before"]))
        accounts.append(account | {"looks_ahead": chain.looks_ahead(steps[0])})
        steps = steps[1:]
    if how.streams(steps):
        columns, account = _streamed(table, columns, steps, how.out)
        accounts.append(account)
    elif steps:
        frame, columns, found = how.work(frames.collect(table), columns, steps)
        frames.write(frame, how.out / "table.parquet")
        accounts += found
    else:
        frames.sink(table, how.out / "table.parquet")
    save_columns(columns, how.out)
    return accounts


def _streamed(
    table: pl.LazyFrame, columns: Columns, steps: list[Plugin], out: Path
) -> tuple[Columns, dict[str, Any]]:
    """Write what one plan makes of a scan, as it comes; return its columns and its account."""
    lazy, made = chain.planned(table, columns, steps)
    frames.sink(lazy, out / "table.parquet")
    written = pl.scan_parquet(out / "table.parquet")
    rows, left = (f.select(pl.len()).collect().item() for f in (table, written))
    if rows and not left:
        raise DataError(chain.nothing_left(chain.named(steps), rows))
    sizes = (rows, table.collect_schema(), left, written.collect_schema())
    account = accounting.of_rows(chain.named(steps), *sizes)
    told = {"engine": "cpu: Polars, streaming", "looks_ahead": chain.looking_ahead(steps)}
    return made, account | told


def _offsets(accounts: list[list[dict[str, Any]]]) -> list[list[int]]:
    """Return, by part, what to add to the row numbers that each step finds, and to the table's.

    New rows are numbered on; a step that makes them tells of those before.
    """
    makes = [entry.get("rows") == "makes" for entry in accounts[0]]
    last = [max((j for j in range(i) if makes[j]), default=None) for i in range(len(makes) + 1)]
    before, found = [0] * len(makes), []
    for account in accounts:
        found.append([0 if step is None else before[step] for step in last])
        made = (entry.get("rows_made", entry["rows_after"]) for entry in account)
        before = [rows + more for rows, more in zip(before, made, strict=True)]
    return found


def _merged(accounts: list[dict[str, Any]], offsets: list[int]) -> dict[str, Any]:
    """Return the account of a step over all parts, whose row numbers are off by so much."""
    total = dict(accounts[0])
    for key in accounting.SUMS:
        if total.get(key) is not None:
            total[key] = sum(account[key] for account in accounts)
    total["columns"] = {}
    for account in accounts:
        for name, count in account["columns"].items():
            total["columns"][name] = total["columns"].get(name, 0) + count
    total["repairs"] = repairs.merged(account["repairs"] for account in accounts)
    total["engine"] = "; ".join(dict.fromkeys(a["engine"] for a in accounts))
    words = dict.fromkeys(account["note"] for account in accounts)
    total["note"] = "; ".join(filter(None, list(words)[:3]))
    if "found" in total:
        together = zip(accounts, offsets, strict=True)
        total["found"] = findings.merged(findings.shifted(a["found"], o) for a, o in together)
    return total | {"parts": len(accounts)}
