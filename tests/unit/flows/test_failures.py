"""Failures, in words that a user can act on."""

import errno
import os

import httpx
import pytest

from flows import failures
from tasks.core.errors import DataError, TemperError, TransientError


@pytest.fixture(autouse=True)
def project(temper_home, tmp_path, monkeypatch):
    monkeypatch.setenv("TEMPER_PROJECT", str(tmp_path))


def of_system(number: int, name: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), name)


@pytest.mark.parametrize(
    "error",
    [
        of_system(errno.ENOSPC),
        of_system(errno.EDQUOT, "/a/b"),
        TransientError(f"OSError: {of_system(errno.ENOSPC)}"),
        RuntimeError("OperationalError: database or disk is full"),
    ],
)
def test_a_full_disk(error, temper_home):
    assert "no space left on the disk of" in str(failures.told(error))


def test_a_full_disk_behind_other_words(monkeypatch, temper_home):
    monkeypatch.setattr(failures, "_free", lambda folder: 0)
    assert f"disk of {temper_home}: 0.0 MB free" in str(failures.told(KeyError("x")))
    data = DataError("row 3: no")
    assert failures.told(data) is data, "the user's input is wrong all the same"


def test_a_file_that_may_not_be_written():
    words = str(failures.told(of_system(errno.EROFS, "/a/b")))
    assert words.startswith("/a/b: cannot be written: Read-only file system. Make it writable.")


def test_a_server_that_went(monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    words = str(failures.told(httpx.ConnectError("refused")))
    assert "http://127.0.0.1:1/api has stopped answering: ConnectError: refused" in words


def test_an_error_of_our_own_behind_another():
    own, outer = TransientError("why"), ValueError("outer")
    outer.__cause__ = own
    assert failures.told(outer) is own


def test_anything_else_is_logged_whole(temper_home):
    try:
        _ = 1 / 0
    except ZeroDivisionError as error:
        words = str(failures.told(error))
    log = temper_home / "logs" / "last-failure.log"
    assert words == f"ZeroDivisionError: division by zero\nThe whole of it: {log}"
    assert "1 / 0" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_where_no_log_can_be_written_the_words_remain(monkeypatch):
    def refuse(*_: object) -> None:
        raise of_system(errno.EIO)

    monkeypatch.setattr(failures.temporary, "write", refuse)
    told = failures.told(KeyError("x"))
    assert type(told) is TemperError
    assert str(told) == "KeyError: 'x'"
