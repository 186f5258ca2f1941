"""Ctrl-C is answered."""

import signal
import subprocess
import sys
from pathlib import Path

from flows.running import command

ROOT = Path(__file__).parents[3]


def test_the_command_that_goes_on():
    assert command("w", [], "report") == "temper run w"
    wanted = command("w", ["seed=1", "a.b=[x, y]"], "clean")
    assert wanted == "temper run w --set seed=1 --set 'a.b=[x, y]' --until clean"


PROGRAM = """
import signal
from flows import interrupts
signal.signal(signal.SIGINT, signal.{handler})
with interrupts.told("temper run w"):
    signal.raise_signal(signal.SIGINT)
print("on")
"""


def interrupted(handler: str) -> subprocess.CompletedProcess[str]:
    """Interrupt a process of its own, whatever this one was told to do with SIGINT."""
    program = [sys.executable, "-c", PROGRAM.format(handler=handler)]
    return subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_it_is_said_at_once_how_to_go_on():
    done = interrupted("default_int_handler")
    assert done.stderr.startswith("\nstopping; `temper run w` goes on from what is finished\n")
    assert done.stderr.endswith("KeyboardInterrupt\n")
    assert (done.returncode, done.stdout) == (-signal.SIGINT, "")


def test_another_handler_stays():
    done = interrupted("SIG_IGN")
    assert (done.returncode, done.stdout, done.stderr) == (0, "on\n", "")
