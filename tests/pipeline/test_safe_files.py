"""What a run leaves is private, and what was tampered with is found before it is loaded."""

import json
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.core import store
from tasks.core.artifacts import Artifact
from tasks.core.errors import StoreError
from tests.pipeline.conftest import Project, cloned, counts
from tests.pipeline.test_kill import MEASURED

LOADED = {  # what a kind of file is, and the artifact that holds it
    "model": ("train/linear", "model.safetensors", {"fit linear"}),
    "facts of a model": ("train/linear", "model.json", {"fit linear"}),
    "prepared matrix": ("features/prepared", "X_train.npy", {"features"}),
    "calibration rows": ("features/prepared", "train.parquet", {"features"}),
    "preparation": ("features/prepared", "prepare.onnx", {"features"}),
    "graph": ("compress/linear/fp32", "model.onnx", {"export linear"}),
    "compressed graph": ("compress/linear/fp16", "model.onnx", {"compress linear fp16"}),
    "table": ("clean/table", "table.parquet", {"clean"}),
    "choice": ("recommend/choice", "recommendation.json", {"recommend"}),
}


def flip(file: Path) -> None:
    """Change a bit; the size stays, and the times that a user can set."""
    before = file.stat()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(content)
    file.chmod(stat.S_IMODE(before.st_mode))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@pytest.fixture(scope="module")
def own(
    fresh: Project, new_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """Give a project of this file's own, after a run: its store is tampered with."""
    project = cloned(fresh, tmp_path_factory.mktemp("own") / "project", new_database)
    done = project.temper("run", "micro")
    assert done.returncode == 0, done.stdout + done.stderr
    yield project
    project.end()


@pytest.fixture
def home(ran: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a copy of the store of a run, all of it checked once."""
    shutil.copytree(ran.home / "store", tmp_path / "home" / "store")
    monkeypatch.setenv("TEMPER_HOME", str(tmp_path / "home"))
    for name, digest in ran.manifests().items():
        assert store.intact(Artifact(name=name, digest=digest))
    return tmp_path / "home"


def test_all_that_a_run_leaves_is_its_owners_alone(ran: Project):
    for expected in ("mlflow.db", "prefect.db", "server.json", "ledger.jsonl", "secret"):
        assert Path(expected) in ran.modes
    for path, found in ran.modes.items():
        mode = stat.S_IMODE(found)
        if stat.S_ISDIR(found):
            assert mode == 0o700, path
        elif path.parts[0] == "store" and len(path.parts) > 3:
            assert mode == 0o400, path
        else:
            assert mode == 0o600, path
    assert len(ran.modes) > 150
    view = (ran.folder / "models" / "micro" / "report" / "report.html").stat()
    assert stat.S_IMODE(view.st_mode) == 0o644, "the project's own folders are the user's matter"


@pytest.mark.parametrize("kind", LOADED)
def test_a_tampered_file_is_found_before_anybody_gets_its_path(home, ran: Project, kind: str):
    name, file, _ = LOADED[kind]
    artifact = Artifact(name=name, digest=ran.manifests()[name])
    flip(artifact.file(file))
    with pytest.raises(StoreError, match="does not match its digest"):
        artifact.file(file)
    with pytest.raises(StoreError):
        _ = artifact.path


def test_a_file_added_to_a_folder_is_found(home, ran: Project):
    artifact = Artifact(name="train/linear", digest=ran.manifests()["train/linear"])
    (artifact.path / "extra.json").write_text("{}")
    with pytest.raises(StoreError):
        artifact.file("model.json")


@pytest.mark.slow
def test_a_run_makes_tampered_files_anew_and_takes_no_record_of_another(own: Project):
    project = own
    digests = project.manifests()
    for name, file, _ in LOADED.values():
        flip(project.home / "store" / digests[name][:2] / digests[name] / file)
    first, second = sorted((project.home / "records").glob("resample-*"))[:2]
    texts = first.read_text(), second.read_text()
    first.write_text(texts[1])
    second.write_text(texts[1])  # its own, and so it stays a hit

    done = project.temper("run", "micro")

    assert done.returncode == 0, done.stdout + done.stderr
    ran_now, _ = counts(done.stdout)
    again = {task for _, _, tasks in LOADED.values() for task in tasks} | {"resample"}
    again |= {"register", "report"}  # the fit's telemetry is another
    assert ran_now == len(again)
    after = project.manifests()
    fixed = [name for name in digests if name.split("/")[0] not in MEASURED]
    assert len(fixed) >= 12
    assert {name: digests[name] for name in fixed} == {name: after[name] for name in fixed}
    assert counts(project.temper("run", "micro").stdout)[0] == 0


@pytest.mark.slow
def test_a_stage_takes_nothing_tampered_from_the_view(own: Project):
    flip(own.folder / "models" / "micro" / "train" / "linear" / "model.safetensors")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = (sys.executable, "-m", "dvc", "repro", "-f", "-s", "compress@micro")
    done = own.run(*command, PATH=path)  # -f: DVC itself goes by size and mtime
    assert done.returncode != 0
    assert "not those that were put there" in done.stderr
    assert "temper run micro" in done.stderr
    assert own.temper("run", "micro").returncode == 0
    assert json.loads(own.dvc("status", "--json").stdout) == {}
