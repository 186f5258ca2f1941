"""A stage takes from the view what was put there, and nothing else."""

import os
import shutil
from pathlib import Path

import pytest

from flows import view
from tasks.core import store
from tasks.core.artifacts import Artifact
from tasks.core.errors import DataError


@pytest.fixture
def shown(temper_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """Give an artifact that the view shows."""
    monkeypatch.setenv("TEMPER_PROJECT", str(tmp_path / "project"))
    with store.writing() as folder:
        (folder / "model.safetensors").write_bytes(b"weights")
        artifact = store.put("train/linear", folder)
    view.publish("w", {artifact.name: artifact}, ["train"])
    return artifact


def test_taken_as_it_was_shown_and_put_back_where_the_store_lacks_it(shown: Artifact):
    assert view.take("w", ["train"]) == {shown.name: shown}
    shutil.rmtree(shown.path)
    assert not store.intact(shown)
    assert view.take("w", ["train"]) == {shown.name: shown}
    assert (shown.path / "model.safetensors").read_bytes() == b"weights"


def _flipped(place: Path) -> None:
    file = place / "model.safetensors"
    stat = file.stat()
    file.write_bytes(b"weightz")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _added(place: Path) -> None:
    (place / "more").write_text("x")


def _removed(place: Path) -> None:
    (place / "model.safetensors").unlink()


def _of_another(place: Path) -> None:
    manifest = place.parent / view.MANIFEST
    manifest.write_text(manifest.read_text().replace(":", ': "' + "0" * 64 + '", "x":'))


@pytest.mark.parametrize("damage", [_flipped, _added, _removed, _of_another])
def test_a_tampered_view_is_not_taken_and_a_run_puts_it_right(shown: Artifact, damage):
    place = view.folder("w", "train") / "linear"
    damage(place)
    with pytest.raises(DataError, match="not those that were put there"):
        view.take("w", ["train"])
    view.publish("w", {shown.name: shown}, ["train"])
    assert view.take("w", ["train"]) == {shown.name: shown}
    assert sorted(p.name for p in place.iterdir()) == ["model.safetensors"]
