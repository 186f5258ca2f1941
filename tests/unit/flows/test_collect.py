"""What `temper collect` says while it waits, and of parts that fail alike."""

import pytest

from flows import collect
from flows.collected import Waiting
from tasks.core import progress
from tasks.core.errors import DataError
from tasks.ingest.remote.errors import ServiceError


def test_parts_that_wait_for_the_same_are_told_once(capsys: pytest.CaptureFixture[str]):
    with progress.listening(Waiting()):
        for text in ("h: down; try 2 of 3 in 1 s", "h: down; try 2 of 3 in 2 s"):
            progress.tell(progress.Event("notice", text=text))
        progress.tell(progress.Event("share", text="h: down; try 9 of 9 in 1 s"))
        progress.tell(progress.Event("notice", text="h: down; try 3 of 3 in 2 s"))
    told = capsys.readouterr().err.splitlines()
    assert told == ["h: down; try 2 of 3 in 1 s", "h: down; try 3 of 3 in 2 s"]


def test_parts_that_fail_alike_are_one_error():
    down = [ServiceError(f"https://h/v2/{part}: down. Again: later") for part in ("a", "b", "c")]
    error = collect._together([*down, ServiceError("https://h/v2/d: status 500")])
    assert type(error) is ServiceError
    assert str(error).splitlines() == [
        "https://h/v2/a (likewise b, c): down. Again: later",
        "https://h/v2/d: status 500",
    ]
    assert str(collect._together([DataError("no place")])) == "no place"
    other = OSError("x")
    assert collect._together([other, *down]) is other
