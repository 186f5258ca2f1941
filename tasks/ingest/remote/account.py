"""What there is of each part, and how fresh: the manifest beside the data, and the clock's record.

The manifest (`collected.json` in data/raw) follows from the files alone, so that the same answers
give the same bytes; when something was fetched stands in `.temper/collected`, outside the data.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core import temporary
from tasks.core.errors import DataError
from tasks.core.home import subfolder
from tasks.ingest.remote import days
from tasks.ingest.remote.collecting import Collected

MANIFEST = "collected.json"


def check(root: Path, dataset: str) -> None:
    """Check that a folder holds what this plugin collected, or nothing.

    Raises:
        DataError: another plugin's data, or files of the user's own, lie there.
    """
    files = [p.name for p in root.glob("*") if p.is_file()]
    others = [name for name in files if name != MANIFEST and not name.startswith(".")]
    if others:
        raise DataError(
            f"{root}: holds {others[0]}, which `temper collect` did not write. Move it away, "
            "or collect into a workload of another name."
        )
    found = load(root).get("dataset", dataset)
    if found != dataset:
        raise DataError(
            f"{root}: holds what the dataset {found!r} collected, expected {dataset!r}. Collect "
            "into a workload of another name."
        )


def load(root: Path) -> dict[str, Any]:
    """Return the manifest; nothing where there is none that can be read."""
    try:
        found = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write(root: Path, dataset: str) -> dict[str, Any]:
    """Write the manifest of all parts that lie there, and return it."""
    parts = sorted(p.name for p in root.glob("*") if p.is_dir())
    content = {"dataset": dataset, "parts": {name: part(root / name) for name in parts}}
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    target = root / MANIFEST
    if not target.is_file() or target.read_text(encoding="utf-8") != text:
        copy = root / f".{MANIFEST}.{os.getpid()}.tmp"
        copy.write_text(text, encoding="utf-8")
        os.replace(copy, target)
    return content


def record(name: str, manifest: dict[str, Any], done: list[Collected]) -> dict[str, Any]:
    """Write down and return how fresh each part of a workload is, and when it was fetched last."""
    path = subfolder("collected") / f"{name}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = {}
    for each in done:
        content[each.part] = {
            "fetched_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "last_moment": manifest["parts"].get(each.part, {}).get("last_moment"),
        }
    temporary.write(path, json.dumps(content, indent=1, sort_keys=True))
    return content


def part(folder: Path) -> dict[str, Any]:
    """Return what there is of a part; of one that was never collected, nothing."""
    settled = days.known(folder)
    files = [folder / f"{day}{days.SUFFIX}" for day in settled]
    count, last = 0, None
    if files:
        moments = pl.scan_parquet(files, glob=False).select(pl.len(), pl.col("moment").max())
        count, last = moments.collect().row(0)
    return {
        "days": len(settled),
        "documents": count,
        "first_day": str(min(settled)) if settled else None,
        "last_day": str(max(settled)) if settled else None,
        "last_moment": last,
        "unsettled": [str(day) for day, done in settled.items() if not done],
    }
