"""Which reports came before: the workload's last other run, and the one of its champion.

What a report is compared with is part of its input, so it is chosen such that the same run, done
again, is compared with the same: the latest report of *other* artifacts, never the run's own.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tasks.core import locks, store
from tasks.core.artifacts import Artifact
from tasks.core.home import home, subfolder


def path() -> Path:
    """Return the file: one JSON object a report, oldest first."""
    return home() / "reports.jsonl"


def identity(sources: Iterable[Artifact]) -> str:
    """Return what tells a run's artifacts from another's: a digest over theirs."""
    parts = sorted([source.name, source.digest] for source in sources)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def remember(
    workload: str, sources: Iterable[Artifact], report: Artifact, version: dict[str, Any]
) -> None:
    """Note a report; nothing is added where the workload's last one is of the same artifacts."""
    entry = {
        "workload": workload,
        "identity": identity(sources),
        "report": report.model_dump(),
        "name": version.get("name"),
        "version": version.get("version"),
    }
    with locks.held(subfolder("locks") / "reports"):
        known = _entries(workload)
        if known and known[-1]["identity"] == entry["identity"]:
            return
        descriptor = os.open(path(), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry, sort_keys=True) + "\n")


def previous(workload: str, sources: Iterable[Artifact]) -> Artifact | None:
    """Return the report of the workload's last run that had other artifacts, or None."""
    own = identity(sources)
    others = [e for e in _entries(workload) if e["identity"] != own]
    return _kept(reversed(others))


def champion(
    workload: str, sources: Iterable[Artifact], name: str, version: int
) -> Artifact | None:
    """Return the report with which a version became known; None where that is this run itself."""
    own = identity(sources)
    of_version = [e for e in _entries(workload) if (e["name"], e["version"]) == (name, version)]
    if any(e["identity"] == own for e in of_version):
        return None
    return _kept(of_version)


def _kept(entries: Iterable[dict]) -> Artifact | None:
    """Return the first report that the store still holds."""
    found = (Artifact(**e["report"]) for e in entries)
    return next((a for a in found if store.intact(a)), None)


def _entries(workload: str) -> list[dict[str, Any]]:
    entries = []
    if path().exists():
        for line in path().read_text(encoding="utf-8").splitlines():
            try:
                entries.append(json.loads(line))
            except ValueError:  # a line that a power cut left unfinished
                continue
    return [e for e in entries if e["workload"] == workload]
