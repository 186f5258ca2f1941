"""What a killed DVC leaves is mended; what a living one is at, is left."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows import mending
from tasks.core import locks
from tasks.core.plugins import ROOT


@pytest.fixture
def root(tmp_path: Path, temper_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.setenv("TEMPER_PROJECT", str(root))
    monkeypatch.setattr(mending, "WRITTEN_WITHIN_S", 0.1)
    return root


def lock_of(stages: int) -> str:
    """Return a lock file with so many stages, each with what DVC writes of one."""
    one = (ROOT / "dvc.lock").read_text().partition("stages:\n")[2]
    return "schema: '2.0'\nstages:\n" + "".join(
        one.replace("fetch@digits:", f"fetch@d{n}:") for n in range(stages)
    )


@pytest.mark.parametrize("others", [[], [os.getpid()]])
def test_locks_of_dead_processes_are_freed_unless_somebody_lives(root: Path, others: list[int]):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    while locks.alive(dead.pid):  # not waited for: it stays in the list of processes
        time.sleep(0.02)
    path = root / ".dvc" / "tmp" / "rwlock"
    path.parent.mkdir(parents=True)
    infos = [{"pid": pid, "cmd": "dvc repro"} for pid in (dead.pid, *others)]
    path.write_text(json.dumps({"read": {"/a": infos}, "write": {"/b": infos[0]}}))
    mending.free_dead_locks()
    dead.wait()
    assert path.exists() == bool(others)


def test_locks_that_cannot_be_read_are_dvcs_business(root: Path):
    path = root / ".dvc" / "tmp" / "rwlock"
    path.parent.mkdir(parents=True)
    for text in ("", "[]", '{"read": 3, "write": {}}'):
        path.write_text(text)
        mending.free_dead_locks()
        assert path.exists()


@pytest.mark.parametrize("cut", [0, 5, 14, 25, 40, 60, 90, 150, 300])
def test_half_a_lock_file_is_put_back_as_it_was_kept(root: Path, cut: int, capsys):
    path, whole = root / "dvc.lock", lock_of(2)
    path.write_text(lock_of(1))
    mending.keep_lock()
    path.write_text(whole[:cut])
    mending.mend()
    assert path.read_text() in (lock_of(1), whole[:cut])
    assert ("half-written" in capsys.readouterr().err) == (path.read_text() == lock_of(1))
    assert dvc_reads(path)


def dvc_reads(path: Path) -> bool:
    """Return what DVC itself says of a lock file."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from dvc.utils.serialize import parse_yaml

    COMPILED_LOCKFILE_SCHEMA(parse_yaml(path.read_text(), str(path)))
    return True


def test_without_a_kept_one_it_is_as_git_has_it_or_gone(root: Path, capsys):
    path = root / "dvc.lock"
    path.write_text("")
    mending.restore_lock()
    assert not path.exists()
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    path.write_text(lock_of(1))
    for arguments in (("init", "-q"), ("add", "dvc.lock"), ("commit", "-qm", "lock")):
        subprocess.run(["git", *identity, *arguments], cwd=root, check=True)
    path.write_text("")
    mending.restore_lock()
    assert path.read_text() == lock_of(1)
    assert "as git has it" in capsys.readouterr().err


@pytest.mark.parametrize("merge", ["", "<<<<<<< HEAD\n"])
def test_a_whole_one_and_one_that_is_merged_are_left(root: Path, merge: str, capsys):
    path = root / "dvc.lock"
    path.write_text(lock_of(2) + merge)
    mending.mend()
    assert path.read_text() == lock_of(2) + merge
    assert capsys.readouterr().err == ""
