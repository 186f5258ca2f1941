"""The home is private to the user, whoever made it."""

import os
import threading
from pathlib import Path

import pytest

from tasks.core import home, temporary
from tasks.core.errors import TemperError


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture(autouse=True)
def usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_folders_and_files_are_the_owners_alone(temper_home):
    folder = home.subfolder("locks", "tasks")
    temporary.write(folder / "a.json", "{}")
    os.close(home.open_log("server.log"))
    for path in (temper_home, folder.parent, folder, temper_home / "logs"):
        assert _mode(path) == 0o700
    for path in (folder / "a.json", temper_home / "logs" / "server.log"):
        assert _mode(path) == 0o600
    assert [path.name for path in folder.iterdir()] == ["a.json"]


def test_a_home_that_others_could_read_is_made_private(temper_home):
    (temper_home / "remote").mkdir(parents=True)  # as `dvc push` makes it
    temper_home.chmod(0o755)
    assert _mode(home.home()) == 0o700


def test_a_home_of_somebody_else_is_refused(temper_home, monkeypatch):
    temper_home.mkdir()
    temper_home.chmod(0o755)

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", refuse)  # tests may run as root, whom nothing is refused
    with pytest.raises(TemperError, match="Set TEMPER_HOME"):
        home.home()


def test_two_writers_of_one_file_leave_one_whole_one(temper_home):
    path = home.subfolder("memo") / "a"
    texts = [str(n) * 100_000 for n in range(8)]
    threads = [threading.Thread(target=temporary.write, args=(path, text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in texts
    assert [p.name for p in path.parent.iterdir()] == ["a"]
