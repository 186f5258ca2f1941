"""`dvc.lock` never speaks of code or data that the run did not have."""

import subprocess
from pathlib import Path

import pytest

from flows import versioning
from tasks.core import store
from tasks.core.artifacts import Artifact

OLD, NEW = "schema: '2.0'\n", "schema: '2.0'\nstages: {}\n"


class Dvc:
    """Stands for `dvc commit`: notes its calls, writes the lock, does what a test adds."""

    def __init__(self, root: Path) -> None:
        self.root, self.calls = root, 0
        self.code, self.meanwhile = 0, lambda: None

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        self.calls += 1
        (self.root / "dvc.lock").write_text(NEW)
        self.meanwhile()
        return subprocess.CompletedProcess(arguments, self.code, "", "no space left")


@pytest.fixture
def project(tmp_path: Path, temper_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    for name in ("flows/train.py", "tasks/fit.py", "data/raw/mine/t.csv"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("a = 1\n")
    (root / "params.yaml").write_text("active: [mine]\nworkloads: {mine: {}}\n")
    (root / "pyproject.toml").write_text("[project]\ndependencies = []\n")
    (root / "dvc.lock").write_text(OLD)
    monkeypatch.setenv("TEMPER_PROJECT", str(root))
    return root


@pytest.fixture
def raw(project: Path) -> Artifact:
    with store.writing() as folder:
        (folder / "t.csv").write_text("a = 1\n")
        return store.put("raw", folder)


@pytest.fixture
def dvc(project: Path, monkeypatch: pytest.MonkeyPatch) -> Dvc:
    stand_in = Dvc(project)
    monkeypatch.setattr(versioning, "dvc", stand_in)
    return stand_in


def test_a_commit_is_made_once(project: Path, raw: Artifact, dvc: Dvc):
    for _ in range(2):
        assert versioning.commit(versioning.State("mine"), raw) is None
    assert dvc.calls == 1
    assert (project / "dvc.lock").read_text() == NEW


@pytest.mark.parametrize("changed", ["tasks/fit.py", "params.yaml", "data/raw/mine/t.csv"])
def test_what_changed_before_the_commit_leaves_the_lock(
    project: Path, raw: Artifact, dvc: Dvc, changed: str
):
    state = versioning.State("mine")
    _change(project / changed)
    assert "changed during the run" in str(versioning.commit(state, raw))
    assert dvc.calls == 0
    assert (project / "dvc.lock").read_text() == OLD


@pytest.mark.parametrize("changed", ["tasks/fit.py", "params.yaml", "data/raw/mine/t.csv"])
def test_what_changes_during_the_commit_puts_the_lock_back(
    project: Path, raw: Artifact, dvc: Dvc, changed: str
):
    dvc.meanwhile = lambda: _change(project / changed)
    assert "changed during the commit" in str(versioning.commit(versioning.State("mine"), raw))
    assert (project / "dvc.lock").read_text() == OLD
    dvc.meanwhile = lambda: None
    (project / "data/raw/mine/t.csv").write_text("a = 1\n")
    assert versioning.commit(versioning.State("mine"), raw) is None  # the next run tells it
    assert dvc.calls == 2


def test_a_commit_that_fails_puts_the_lock_back(project: Path, raw: Artifact, dvc: Dvc):
    dvc.code = 1
    assert "no space left" in str(versioning.commit(versioning.State("mine"), raw))
    assert (project / "dvc.lock").read_text() == OLD
    (project / "dvc.lock").unlink()
    assert "put back" in str(versioning.commit(versioning.State("mine"), raw))
    assert not (project / "dvc.lock").exists()


def _change(path: Path) -> None:
    text = path.read_text()
    path.write_text(text.replace("{mine: {}}", "{mine: {seed: 1}}") if "mine: {}" in text else "b")
