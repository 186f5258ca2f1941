"""What a run shows while it goes."""

from pathlib import Path

import pytest

from flows import live, prepare
from flows.workload import build
from tasks.core import progress


def test_what_was_set_aside_or_found_is_shown_at_once(
    temper_home: Path, capsys: pytest.CaptureFixture[str]
):
    workload = build("w", {"table": {"task": "regression", "target": "y"}})
    with live.shown("w", workload, "clean"):
        prepare.tell(lambda: [None])
        prepare.tell(lambda: ["2 rows set aside", "a sentinel"])
        assert capsys.readouterr().err == "note: 2 rows set aside\nnote: a sentinel\n"
        progress.tell(progress.Event("ended", "fetch", "fetch", "Completed"))
    assert "note" not in capsys.readouterr().err, "told once"
