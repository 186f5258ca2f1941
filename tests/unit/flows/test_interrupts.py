"""Ctrl-C is answered."""

import signal

import pytest

from flows import interrupts
from flows.running import command


def test_the_command_that_goes_on():
    assert command("w", [], "report") == "temper run w"
    wanted = command("w", ["seed=1", "a.b=[x, y]"], "clean")
    assert wanted == "temper run w --set seed=1 --set 'a.b=[x, y]' --until clean"


def interrupted() -> None:
    with interrupts.told("temper run w"):
        signal.raise_signal(signal.SIGINT)


def test_it_is_said_at_once_how_to_go_on(capfd: pytest.CaptureFixture[str]):
    # a process in the background may have been started with SIGINT ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    told = capfd.readouterr().err
    assert told == "\nstopping; `temper run w` goes on from what is finished\n"


def test_another_handler_stays(capfd: pytest.CaptureFixture[str]):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.told("temper run w"):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert capfd.readouterr().err == ""
