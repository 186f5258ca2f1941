"""What a run shows while it goes."""

from pathlib import Path

import pytest

from flows import live, prepare
from flows.workload import build
from tasks.core import progress, store
from tasks.core.artifacts import Artifact


def put(name: str, file: str, content: str) -> Artifact:
    with store.writing() as out:
        (out / file).write_text(content)
        return store.put(name, out)


def test_rows_set_aside_are_shown_as_they_are_found(
    temper_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    checks, table = put("validate/report", "checks.json", "{}"), put("ingest/table", "t", "1")
    monkeypatch.setattr(prepare.aside, "told", lambda report, kept: f"2 rows: {kept}")
    workload = build("w", {"table": {"task": "regression", "target": "y"}})
    with live.shown("w", workload, "clean"):
        prepare._tell(checks, table)
        kept = temper_home / "quarantine" / f"{table.digest[:12]}.csv"
        assert capsys.readouterr().err == f"note: 2 rows: {kept}\n"
        progress.tell(progress.Event("ended", "fetch", "fetch", "Completed"))
    assert "note" not in capsys.readouterr().err, "told once"
