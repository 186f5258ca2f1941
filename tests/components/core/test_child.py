"""Children give results, progress and errors back, and end when they should."""

import functools
import os
import signal
import time
from pathlib import Path

import pytest

from tasks.core import child, locks, progress
from tasks.core.errors import Crashed, DataError, OutOfMemory, TimeLimitExceeded, TransientError


def double(x):
    progress.report(0.5, "half")
    return x * 2


def fail(kind):
    if kind == "data":
        raise DataError("row 3: no")
    if kind == "memory":
        raise RuntimeError("CUDA error: out of memory")
    if kind == "disk":
        raise OSError("No space left on device")
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "crashed":
        os.abort()
    raise ValueError("odd")


def sleep_in_native_code():
    import ctypes

    ctypes.PyDLL(None).sleep(
        60
    )  # PyDLL keeps the interpreter's lock: nothing in Python can stop it


def pid_file(path):
    path.write_text(str(os.getpid()))
    time.sleep(60)


def environment():
    return dict(os.environ)


def get_ready():
    os.environ["READY"] = str(os.getpid())


def fail_to_get_ready():
    raise OSError("no store there")


def who():
    return os.environ.get("READY"), str(os.getpid())


def test_work_goes_to_the_child_that_was_started_ahead_for_it():
    child.warm(())
    child.ahead("later", get_ready)
    assert child.run(who, label="another").value[0] is None
    ready, own = child.run(who, label="later").value
    assert ready == own
    assert child.run(who, label="later").value[0] is None  # one piece of work, one child


def test_a_child_that_could_not_get_ready_works_all_the_same():
    child.warm(())
    child.ahead("later", fail_to_get_ready)
    assert child.run(double, 4, label="later").value == 8


def test_a_new_child_works_where_the_one_ahead_was_killed(tmp_path):
    child.warm(())
    child.ahead("later", functools.partial(pid_file, tmp_path / "pid"))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.01)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    while child._ahead["later"].result()[0].is_alive():
        time.sleep(0.01)
    assert child.run(double, 4, label="later").value == 8


def test_a_child_that_no_work_came_to_is_ended():
    child.warm(())
    child.ahead("later", get_ready)
    process, _ = child._ahead["later"].result(timeout=30)
    child._dismiss("later")
    process.join(10)
    assert not process.is_alive()
    child._dismiss("later")  # there is none any more


def test_libraries_send_nothing_from_children():
    assert child.run(environment).value["ORT_DISABLE_TELEMETRY"] == "1"


def test_value_memory_and_progress():
    heard = []
    with progress.to(lambda share, text: heard.append((share, text))):
        outcome = child.run(double, 21, label="doubling")
    assert outcome.value == 42
    assert outcome.peak_memory_mib > 5
    assert heard == [(0.5, "doubling: half")]


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("data", DataError, "row 3: no"),
        ("memory", OutOfMemory, "out of memory"),
        ("disk", TransientError, "No space left"),
        ("killed", TransientError, "SIGKILL"),
        ("crashed", Crashed, "SIGABRT"),
        ("other", RuntimeError, "ValueError: odd"),
    ],
)
def test_errors_keep_their_kind(kind, error, words):
    with pytest.raises(error, match=words):
        child.run(fail, kind)


def test_limit_ends_native_code():
    start = time.monotonic()
    with pytest.raises(TimeLimitExceeded, match="not done after"):
        child.run(sleep_in_native_code, time_limit_s=0.5)
    assert time.monotonic() - start < 10


def test_child_dies_with_its_parent(tmp_path):
    """A process that is killed leaves no child behind."""
    import subprocess
    import sys

    file = tmp_path / "pid"
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\nfrom tasks.core import child\n"
        "import importlib.util as u\n"
        "s = u.spec_from_file_location('test_child', sys.argv[3]); m = u.module_from_spec(s)\n"
        "sys.modules['test_child'] = m; s.loader.exec_module(m)\n"
        "child.run(m.pid_file, Path(sys.argv[1]))\n"
    )
    here = str(Path(__file__).parent)
    environment = {**os.environ, "PYTHONPATH": here}
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(file), here, __file__], env=environment
    )
    try:
        deadline = time.monotonic() + 30
        while not (file.exists() and file.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        pid = int(file.read_text())
    finally:
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 5
    while locks.alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not locks.alive(pid)
