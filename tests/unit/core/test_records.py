"""A record counts for its own key in its own home alone, and is told before Prefect reads it."""

import base64
import json
import os
import pickle
from pathlib import Path

import pytest

from tasks.core import records
from tasks.core.artifacts import Artifact

KEY = "fit-" + "1" * 64
OTHER = "fit-" + "2" * 64
ONE = Artifact(name="train/linear", digest="a" * 64)
TWO = Artifact(name="train/linear", digest="b" * 64)


@pytest.fixture(autouse=True)
def folder(temper_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PREFECT_LOCAL_STORAGE_PATH")
    return records.folder()


def _write(key: str, artifact: Artifact = ONE, **changes) -> Path:
    """Write a record as Prefect does, with changes."""
    metadata = {
        "storage_key": str(records.folder() / key),
        "serializer": {"type": records.SERIALIZER},
    }
    whole = {"metadata": metadata, "result": records.dump(key, (artifact,), False).decode()}
    path = records.folder() / key
    path.write_text(json.dumps(whole | changes))
    return path


def test_a_record_of_ours_is_read_and_its_use_noted():
    path = _write(KEY)
    os.utime(path, (1, 1))
    assert records.read(path) == records.Record(KEY, (ONE,), 1.0)
    records.use(KEY)
    assert path.stat().st_mtime > 1e9
    assert [record.key for record in records.every()] == [KEY]


def test_asking_forgets():
    records.asked()
    records.use(OTHER)
    records.use(KEY)
    assert records.asked() == [KEY, OTHER]
    assert records.asked() == []


def _of_another_key(path: Path) -> None:
    os.replace(_write(OTHER, TWO), path)


def _naming_another_content(path: Path) -> None:
    path.write_text(path.read_text().replace(ONE.digest, TWO.digest))


def _with_the_seal_of_another(path: Path) -> None:
    whole = json.loads(path.read_text())
    content = json.loads(records.dump(OTHER, (ONE,), False))
    path.write_text(json.dumps(whole | {"result": json.dumps(content)}))


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def _unsealed(path: Path) -> None:
    content = json.dumps({"several": False, "artifacts": [ONE.model_dump()]})
    path.write_text(json.dumps(json.loads(path.read_text()) | {"result": content}))


def _said_to_be_several(path: Path) -> None:
    path.write_text(path.read_text().replace("false", "true"))


def _of_another_home(path: Path) -> None:
    records._secret.cache_clear()
    (path.parents[1] / "secret").unlink()


DAMAGES = [
    _of_another_key,
    _naming_another_content,
    _with_the_seal_of_another,
    _truncated,
    _unsealed,
    _said_to_be_several,
    _of_another_home,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_record_of_this_key_is_removed(damage):
    path = _write(KEY)
    damage(path)
    assert records.read(path) is None
    records.use(KEY)
    assert not path.exists()


class Planted:
    """What a pickle would run when it is read."""

    ran = False

    def __reduce__(self):
        return setattr, (Planted, "ran", True)


@pytest.mark.parametrize("where", ["metadata", "top"])
def test_a_pickle_in_the_place_of_a_record_is_never_read(where):
    from prefect._internal.result_records import ResultRecord

    text = base64.encodebytes(pickle.dumps(Planted())).decode()
    serializer = {"serializer": {"type": "pickle", "picklelib": "pickle"}}
    changes = {"metadata": serializer} if where == "metadata" else serializer
    path = _write(KEY, result=text, **changes)
    ResultRecord.deserialize(path.read_bytes())
    assert Planted.ran, "Prefect itself would"
    Planted.ran = False

    records.use(KEY)

    assert not path.exists()
    assert not Planted.ran


def test_secret_and_records_are_private(temper_home: Path):
    before = os.umask(0o022)
    try:
        path = _write(KEY)
        records.make_private(KEY)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert (temper_home / "secret").stat().st_mode & 0o777 == 0o600
    assert len((temper_home / "secret").read_bytes()) == 32
    assert not list(temper_home.glob(".secret*"))
