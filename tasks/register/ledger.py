"""An append-only record of what became candidate or champion, when and why: `ledger.jsonl`."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.core import locks
from tasks.core.home import home, subfolder


def path() -> Path:
    """Return the file: one JSON object a line, oldest first."""
    return home() / "ledger.jsonl"


def append(event: str, workload: str, **facts: Any) -> dict[str, Any]:
    """Return the entry that was appended, with the time in UTC; the file is only ever added to."""
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    entry = {"time": moment, "event": event, "workload": workload, **facts}
    line = json.dumps(entry, sort_keys=True, ensure_ascii=False) + "\n"
    with locks.held(subfolder("locks") / "ledger"):
        descriptor = os.open(path(), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as stream:
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())
    return entry


def read(workload: str | None = None) -> list[dict[str, Any]]:
    """Return the entries, oldest first; a line that a power cut left unfinished is passed over."""
    entries = []
    if path().exists():
        for line in path().read_text(encoding="utf-8").splitlines():
            try:
                entries.append(json.loads(line))
            except ValueError:
                continue
    return [e for e in entries if workload in (None, e["workload"])]


def latest(workload: str, event: str) -> dict[str, Any] | None:
    """Return the last entry of an event (`candidate`, `champion`), or None."""
    return next((e for e in reversed(read(workload)) if e["event"] == event), None)
