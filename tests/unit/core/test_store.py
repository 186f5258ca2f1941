"""The store keeps contents by digest and never gives a damaged one."""

import os
import shutil
import subprocess
import sys

import pytest

from tasks.core import store, temporary
from tasks.core.artifacts import Artifact, folder_digest
from tasks.core.errors import StoreError

pytestmark = pytest.mark.usefixtures("temper_home")


def _put(text: str, name: str = "clean/table") -> Artifact:
    with store.writing() as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "a.txt").write_text(text)
        return store.put(name, folder)


def test_same_content_has_one_place():
    one, other = _put("x"), _put("x", "other/name")
    assert one.digest == other.digest
    assert one.path == other.path
    assert one.file("deep/a.txt").read_text() == "x"


def test_content_and_file_names_make_the_digest(tmp_path):
    (tmp_path / "a").write_text("1")
    first = folder_digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    renamed = folder_digest(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({first, renamed, folder_digest(tmp_path)}) == 3


def test_files_are_read_only_and_private():
    with store.writing() as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "a.txt").write_text("x")
        folder.chmod(0o755)  # as a copy of a folder of the view has it
        artifact = store.put("clean/table", folder)
    assert artifact.file("deep/a.txt").stat().st_mode & 0o777 == 0o400
    assert artifact.path.stat().st_mode & 0o777 == 0o700
    assert (artifact.path / "deep").stat().st_mode & 0o777 == 0o700
    assert store.memo_of(artifact.digest).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete", "add", "remove folder"])
def test_damage_is_found_and_mended(damage):
    artifact = _put("hello")
    file = artifact.file("deep/a.txt")
    file.chmod(0o644)
    folder = artifact.path
    if damage == "flip":  # the same size and time
        stat = file.stat()
        file.write_text("jello")
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif damage == "truncate":
        file.write_text("he")
    elif damage == "delete":
        file.unlink()
    elif damage == "add":
        (folder / "more").write_text("x")
    else:
        shutil.rmtree(folder)
    assert not store.intact(artifact)
    with pytest.raises(StoreError, match="does not match its digest"):
        _ = artifact.path  # whoever wants to load from it
    assert store.intact(_put("hello"))


def test_touch_is_no_damage():
    artifact = _put("hello")
    os.utime(artifact.file("deep/a.txt"))
    assert store.intact(artifact)


def test_nothing_written_is_an_error():
    with pytest.raises(StoreError, match="nothing was written"), store.writing() as folder:
        store.put("clean/table", folder)


def test_a_failed_write_leaves_nothing(temper_home):
    def fail() -> None:
        with store.writing() as folder:
            (folder / "half").write_text("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list((temper_home / "tmp").iterdir()) == []


def test_missing_file_of_an_artifact():
    with pytest.raises(StoreError, match="no file 'b'"):
        _put("x").file("b")


def test_sweeping_removes_what_dead_processes_left_and_nothing_else(temper_home):
    script = (
        "import os; from tasks.core import store; w = store.writing(); w.__enter__(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert len(list((temper_home / "tmp").iterdir())) == 1
    with store.writing() as folder:
        assert temporary.sweep() == 1
        assert folder.exists()
    assert list((temper_home / "tmp").iterdir()) == []
