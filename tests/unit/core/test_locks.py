"""File locks exclude, share, wait and vanish with their holder."""

import os
import subprocess
import sys
import time

import pytest

from tasks.core import locks


def test_exclusive_and_shared(tmp_path):
    path = tmp_path / "lock"
    with locks.held(path, shared=True), locks.held(path, shared=True):
        assert locks.acquire(path, timeout_s=0) is None
    with locks.held(path):
        assert locks.acquire(path, shared=True, timeout_s=0.1) is None
    descriptor = locks.acquire(path, timeout_s=0)
    assert descriptor is not None
    locks.release(descriptor, remove=path)
    assert not path.exists()


def test_a_removed_file_is_not_mistaken_for_the_lock(tmp_path):
    path = tmp_path / "lock"
    first = locks.acquire(path)
    assert first is not None
    path.unlink()
    second = locks.acquire(path, timeout_s=0)
    assert second is not None
    locks.release(first)
    assert locks.acquire(path, timeout_s=0) is None
    locks.release(second)


def test_a_killed_holder_frees_it(tmp_path):
    path = tmp_path / "lock"
    code = (
        "import sys, time; from pathlib import Path; from tasks.core import locks\n"
        "locks.acquire(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert locks.acquire(path, timeout_s=0) is None
    finally:
        holder.kill()
        holder.communicate()
    start = time.monotonic()
    descriptor = locks.acquire(path, timeout_s=5)
    assert descriptor is not None
    assert time.monotonic() - start < 1
    locks.release(descriptor)


def test_waiting_without_a_limit_ends_when_it_is_free(tmp_path):
    import threading

    path = tmp_path / "lock"
    first = locks.acquire(path)
    assert first is not None
    got: list[int | None] = []
    waiter = threading.Thread(target=lambda: got.append(locks.acquire(path)))
    waiter.start()
    time.sleep(0.1)
    assert not got
    locks.release(first)
    waiter.join(5)
    assert got
    assert got[0] is not None
    locks.release(got[0])


def test_the_kernel_names_who_holds_a_lock_and_who_waits(tmp_path):
    path = tmp_path / "lock"
    assert locks.processes(path) == ([], [])
    code = (
        "import sys; from pathlib import Path; from tasks.core import locks\n"
        "locks.acquire(Path(sys.argv[1]))"
    )
    with locks.held(path, shared=True), locks.held(path, shared=True):
        waiter = subprocess.Popen([sys.executable, "-c", code, str(path)])
        deadline = time.monotonic() + 20
        while not locks.processes(path)[1] and time.monotonic() < deadline:
            time.sleep(0.01)
        assert locks.processes(path) == ([os.getpid()] * 2, [waiter.pid])
    assert waiter.wait(20) == 0
    assert locks.processes(path) == ([], [])


@pytest.mark.parametrize("shared", [True, False])
def test_timeout_is_kept(tmp_path, shared):
    with locks.held(tmp_path / "lock"):
        start = time.monotonic()
        assert locks.acquire(tmp_path / "lock", shared=shared, timeout_s=0.3) is None
        assert 0.25 < time.monotonic() - start < 3
