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
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

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

Work = Callable[..., tuple[pl.DataFrame, Columns, list[dict[str, Any]]]]  # `chain.run` on a device


def run(
    source: Path,
    columns: Columns,
    steps: list[Plugin],
    device: str,
    checkpoint: Path,
    out: Path,
    demanded: bool = False,
) -> list[dict[str, Any]]:
    """Write table.parquet and columns.json into a folder; return an account of each step.

    Args:
        source: the raw table's file.
        columns: what it is.
        steps: in order.
        device: `cpu` or `cuda`.
        checkpoint: the folder where finished parts are kept.
        out: the folder that gets the results.
        demanded: see `chain.run`.

    Raises:
        DataError: a step left no row.
        ParamsError: a step names columns that are not there.
    """
    work = partial(chain.run, device=device, demanded=demanded)
    chain.require(device, demanded)
    if steps and hasattr(steps[0].module, "from_file"):
        using = (columns, steps[0].typed, checkpoint, device, demanded)
        table, columns, account = steps[0].module.from_file(pl.scan_parquet(source), *using)
        if account["rows_before"] and not account["rows_after"]:
            raise DataError(chain.nothing_left(account["step"], account["rows_before"]))
        done = [account | {"looks_ahead": chain.looks_ahead(steps[0])}]
        return done + _finish(table, columns, steps[1:], work, out)
    first, rest = divided(steps)
    keys = groups(columns)
    parts = _parts(source, keys) if keys and _orders(first) else []
    if len(parts) < 2:
        frame, columns, accounts = work(pl.read_parquet(source), columns, steps)
        frames.write(frame, out / "table.parquet")
        save_columns(columns, out)
        return accounts
    folders = [checkpoint / f"{number:05d}" for number in range(len(parts))]
    if not (checkpoint / DIVIDED).exists():
        _divide(source, parts, checkpoint)
    for number, folder in enumerate(folders):
        with progress.within(number / len(parts), (number + 1) / len(parts), f"part {number + 1}"):
            if not (folder / DONE).exists():
                _clean_part(_pieces(checkpoint, number), columns, first, work, folder)
    return _together(folders, first, rest, work, out)


def divided(steps: list[Plugin]) -> tuple[list[Plugin], list[Plugin]]:
    """Return the steps that look no further than a series, and those from the first other one."""
    for position, step in enumerate(steps):
        if getattr(step.module, "SCOPE", "table") == "table":
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
    pieces: list[Path], columns: Columns, steps: list[Plugin], work: Work, to: Path
) -> None:
    """Clean the rows of some series into a folder, which is there whole or not at all."""
    frame = pl.concat(pl.read_parquet(piece) for piece in pieces).rechunk()
    frame, after, accounts = work(frame, columns, steps, may_empty=True)
    unfinished = to.with_name(f"{to.name}.{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    frames.write(frame, unfinished / "table.parquet")
    save_columns(after, unfinished)
    (unfinished / DONE).write_text(json.dumps(accounts))
    shutil.rmtree(to, ignore_errors=True)
    unfinished.rename(to)
    for piece in pieces:
        piece.unlink()


def _together(
    folders: list[Path], first: list[Plugin], rest: list[Plugin], work: Work, out: Path
) -> list[dict[str, Any]]:
    """Put the parts together, do the rest of the steps, and write what comes of it."""
    accounts = [json.loads((folder / DONE).read_text()) for folder in folders]
    offsets = _offsets(accounts, first)
    merged = [
        _merged([account[step] for account in accounts], [offset[step] for offset in offsets])
        for step in range(len(first))
    ]
    for before in merged:
        if before["rows_before"] and not before["rows_after"]:
            raise DataError(chain.nothing_left(before["step"], before["rows_before"]))
    columns = load_columns(folders[0])
    parts = zip(
        (pl.scan_parquet(folder / "table.parquet") for folder in folders), offsets, strict=True
    )
    table = pl.concat(
        part.with_columns((pl.col(ROW) + offset[-1]).cast(pl.UInt32)) for part, offset in parts
    )
    return merged + _finish(table, columns, rest, work, out)


def _finish(
    table: pl.LazyFrame, columns: Columns, rest: list[Plugin], work: Work, out: Path
) -> list[dict[str, Any]]:
    """Do the rest of the steps, write what comes of it, and return their accounts."""
    accounts: list[dict[str, Any]] = []
    if rest:
        frame, columns, accounts = work(frames.collect(table), columns, rest)
        frames.write(frame, out / "table.parquet")
    else:
        frames.sink(table, out / "table.parquet")
    save_columns(columns, out)
    return accounts


def _offsets(accounts: list[list[dict[str, Any]]], steps: list[Plugin]) -> list[list[int]]:
    """Return, by part, what to add to the row numbers that each step finds, and to the table's.

    New rows are numbered on; a step that makes them tells of those before.
    """
    makes = [accounting.kind(step.module) == "makes" for step in steps]
    last = [max((j for j in range(i) if makes[j]), default=None) for i in range(len(steps) + 1)]
    before, found = [0] * len(steps), []
    for account in accounts:
        found.append([0 if step is None else before[step] for step in last])
        before = [rows + entry["rows_after"] for rows, entry in zip(before, account, strict=True)]
    return found


def _merged(accounts: list[dict[str, Any]], offsets: list[int]) -> dict[str, Any]:
    """Return the account of a step over all parts, whose row numbers are off by so much."""
    total = dict(accounts[0])
    for key in accounting.SUMS:
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
