"""Runs the work from Parquet to Parquet, in parts of whole sensors; what is finished is kept.

    report = run(work, pl.scan_parquet("raw.parquet"), out, kept=checkpoint)

`out/features` and `out/daily` become folders of Parquet files, one a part, in the order of the
sensors: `pl.scan_parquet(out / "features")` reads them as one table. Killed and started again with
the same arguments, the work goes on behind the last part in `kept`, and ends with the same bytes.
"""

import json
import os
import shutil
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core import frames, progress
from tasks.frames.engines import Name, choose
from tasks.frames.spec import Work
from tasks.frames.survey import cut
from tasks.frames.tables import Tables

PART_BYTES = 192 * 2**20  # of a part, its rows and its results: once it is finished, it is kept
KINDS = ("features", "daily")
FACTS = "facts"  # of each part: rows, engine
NOTE = "work.json"  # what the parts in a folder are of
MAGIC = b"PAR1"  # how a Parquet file that is whole ends


def run(
    work: Work,
    frame: pl.LazyFrame,
    out: Path,
    *,
    kept: Path | None = None,
    engine: Name = "auto",
    device: str = "cpu",
    demanded: bool = False,
    memory_mib: int = 2048,
) -> dict[str, Any]:
    """Return what was done: sensors, rows of the tables, rows that they were made of (repeats left
    out), seconds, the engine of each part, and those of all parts, kept ones too.

    Args:
        work: the work.
        frame: the table, a scan of files that do not change meanwhile.
        out: a folder, made where it is missing, that takes the tables.
        kept: a folder for finished parts; whoever gives it removes it when all is done. None: they
            are in `out` at once.
        engine, device, demanded: see `engines.choose`.
        memory_mib: of the rows that are in memory at once: a pass over the table takes as many
            sensors as fit, one part at least.

    Raises:
        DataError, ParamsError: the table is not one that the work can be done on.
        EngineUnavailable: what was asked for is not here, or cannot do this work.
    """
    began = time.perf_counter()
    using = choose(engine, frame, work, device, demanded)
    parts = cut(using.weights, PART_BYTES)
    place = kept or out
    _mark(place, {"work": work.model_dump(mode="json"), "engine": using.name, "parts": parts})
    kinds = ["features", "daily"] if work.daily else ["features"]
    done = next((n for n in range(len(parts)) if not _finished(place, kinds, n)), len(parts))
    made = ["kept"] * done
    cluster = frames.on_all_gpus() if using.name == "cudf_ray" else nullcontext()
    with (
        cluster,
        ThreadPoolExecutor(1) as writer,
    ):  # a part is written while the next one is computed
        written: Future[None] | None = None
        for numbers in _passes(using.sizes, parts, done, memory_mib * 2**20):
            rows = using.load(parts[numbers[0]][0], parts[numbers[-1]][1])
            for number in numbers:
                tables, engine_used = using.compute(rows, *parts[number])
                made.append(engine_used)
                if written:
                    written.result()
                facts = {"rows": tables.rows, "engine": engine_used}
                written = writer.submit(_write, place, work.compression, number, tables, facts)
                progress.report(len(made) / len(parts), f"part {len(made)} of {len(parts)}")
            del rows
        if written:
            written.result()
    facts = [json.loads(_facts(place, number).read_text()) for number in range(len(parts))]
    return {
        "sensors": len(using.sizes),
        "rows": _deliver(place, out, kinds, len(parts)),
        "made_of": sum(part["rows"] for part in facts),
        "seconds": round(time.perf_counter() - began, 3),
        "engines": made,
        "by": list(dict.fromkeys(part["engine"] for part in facts)),
    }


def _passes(sizes: list[int], parts: list[tuple[int, int]], done: int, most: int) -> list[range]:
    """Return the numbers of the parts of each pass."""
    todo = [sum(sizes[begin:end]) for begin, end in parts[done:]]
    return [range(done + begin, done + end) for begin, end in cut(todo, most)] if todo else []


def _mark(place: Path, same: dict[str, Any]) -> None:
    """Empty the folder of another work's parts."""
    text = json.dumps(same, sort_keys=True)
    note = place / NOTE
    if not note.exists() or note.read_text() != text:
        for kind in (*KINDS, FACTS):
            shutil.rmtree(place / kind, ignore_errors=True)
        place.mkdir(parents=True, exist_ok=True)
        note.write_text(text)


def _file(place: Path, kind: str, number: int) -> Path:
    return place / kind / f"{number:05}.parquet"


def _facts(place: Path, number: int) -> Path:
    return place / FACTS / f"{number:05}.json"


def _finished(place: Path, kinds: list[str], number: int) -> bool:
    path = _facts(place, number)
    there = path.exists() and path.read_text().endswith("}")
    return there and all(_whole(_file(place, kind, number)) for kind in kinds)


def _whole(path: Path) -> bool:
    """Return whether a file ends as Parquet does: what a lost machine cut off does not."""
    if not path.exists():
        return False
    with open(path, "rb") as file:
        file.seek(-min(len(MAGIC), path.stat().st_size), os.SEEK_END)
        return file.read() == MAGIC


def _write(
    place: Path,
    compression: frames.Compression,
    number: int,
    tables: Tables,
    facts: dict[str, Any],
) -> None:
    path = _facts(place, number)
    path.parent.mkdir(exist_ok=True)
    path.with_suffix(".new").write_text(json.dumps(facts))
    os.replace(path.with_suffix(".new"), path)
    for kind, table in (("daily", tables.daily), ("features", tables.features)):
        if table is not None:
            path = _file(place, kind, number)
            path.parent.mkdir(exist_ok=True)
            frames.write(table, path.with_suffix(".new"), compression)
            os.replace(path.with_suffix(".new"), path)


def _deliver(place: Path, out: Path, kinds: list[str], parts: int) -> dict[str, int]:
    """Link or copy the parts to where they belong; return the rows of each table."""
    for kind in kinds:
        if place != out:
            shutil.rmtree(out / kind, ignore_errors=True)  # of a run that was cut otherwise
            (out / kind).mkdir(parents=True)
            for number in range(parts):
                target = _file(out, kind, number)
                try:
                    target.hardlink_to(_file(place, kind, number))
                except OSError:  # another disk
                    shutil.copyfile(_file(place, kind, number), target)
    if place == out:
        (out / NOTE).unlink()
        shutil.rmtree(out / FACTS)
    scans = {kind: pl.scan_parquet(out / kind / "*.parquet") for kind in kinds}
    return {kind: scan.select(pl.len()).collect().item() for kind, scan in scans.items()}
