"""`temper gc` on a small made-up store: what goes, what stays, and that nothing is half gone."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from flows import collecting, needs
from tasks.core import locks, records, store, temporary, usage
from tasks.core.artifacts import Artifact, file_digest
from tasks.core.errors import StoreBusy, TemperError
from tasks.core.home import home, subfolder

DAY_S = 86_400
KB = 1000


@pytest.fixture(autouse=True)
def project(temper_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PREFECT_LOCAL_STORAGE_PATH", raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.setenv("TEMPER_PROJECT", str(folder))
    return folder


def put(name: str, text: str, age_days: float = 0.0, task: str = "") -> Artifact:
    """Return an artifact of 10 kB that a task returned some days ago."""
    with store.writing() as folder:
        (folder / "content").write_text(text.ljust(10 * KB))
        artifact = store.put(name, folder)
    record(f"{task or name.replace('/', '_')}-{text}", artifact, age_days=age_days)
    return artifact


def record(key: str, *artifacts: Artifact, age_days: float = 0.0) -> Path:
    """Write a task's record, as Prefect does, used some days ago."""
    content = records.dump(key, artifacts, len(artifacts) > 1).decode()
    metadata = {"serializer": {"type": records.SERIALIZER}}
    path = records.folder() / key
    path.write_text(json.dumps({"metadata": metadata, "result": content}))
    moment = time.time() - age_days * DAY_S
    os.utime(path, (moment, moment))
    return path


def show(project: Path, step: str, *artifacts: Artifact) -> None:
    """Make the view of the workload `w` show artifacts."""
    folder = project / "models" / "w" / step
    folder.mkdir(parents=True, exist_ok=True)
    digests = {artifact.name: artifact.digest for artifact in artifacts}
    (folder / "artifacts.json").write_text(json.dumps(digests))


def left() -> set[str]:
    """Return the digests of the contents that are there, each of them whole."""
    digests = {path.name for path in subfolder("store").glob("??/*") if path.is_dir()}
    assert all(store.intact(Artifact(name="x", digest=digest)) for digest in digests)
    return digests


def keys() -> set[str]:
    return {path.name for path in records.folder().iterdir()}


def collect(keep_gb: float = 1.0, keep_days: float = 30.0) -> None:
    collecting.collect(keep_gb, keep_days, dry_run=False)


def test_what_was_not_used_for_long_goes_with_its_records(capsys):
    old, new = put("train/a", "old", 31), put("train/a", "new", 29)
    collecting.collect(1.0, 30.0, dry_run=True)
    said = capsys.readouterr().out
    assert old.digest[:12] in said
    assert new.digest[:12] not in said
    assert "would remove 1 contents (10.0 kB), 1 records, 0 leftovers" in said
    assert left() == {old.digest, new.digest}

    collect()

    assert left() == {new.digest}
    assert keys() == {"train_a-new"}
    assert not store.memo_of(old.digest).exists()
    assert list(subfolder("tmp").iterdir()) == []
    assert "removed 1 contents (10.0 kB), 1 records" in capsys.readouterr().out


def test_beyond_the_size_the_longest_unused_go_first():
    made = [put("train/a", str(age), age) for age in (3, 1, 2, 0)]
    collect(keep_gb=21 * KB / 1e9)
    assert left() == {made[1].digest, made[3].digest}


def test_a_hit_is_a_use():
    artifact = put("train/a", "old", 31)
    records.use("train_a-old")
    collect()
    assert left() == {artifact.digest}


def test_a_content_is_as_young_as_its_youngest_record_and_an_old_record_goes():
    artifact = put("train/a", "x", 31)
    record("train_a-y", artifact, age_days=1)
    collect()
    assert left() == {artifact.digest}
    assert keys() == {"train_a-y"}


def test_a_record_goes_with_any_of_its_contents(project: Path):
    shown, other = put("train/a", "shown", 40), put("telemetry/a", "other", 40)
    show(project, "train", shown)
    record("fit-both", shown, other, age_days=40)
    collect()
    assert left() == {shown.digest}
    assert "fit-both" not in keys()


def test_what_the_view_needs_stays_with_the_records_of_its_run(project: Path, capsys):
    raw, fitted = put("raw", "raw", 40), put("train/a", "fitted", 40)
    records.asked()
    records.use("raw-raw")
    records.use("train_a-fitted")
    for key in ("raw-raw", "train_a-fitted"):
        os.utime(records.folder() / key, (1, 1))
    show(project, "train", fitted)
    needs.note("w")
    gone = put("train/a", "other", 40)
    stale = record("train_a-stale", fitted, age_days=40)

    collect(keep_gb=0)

    assert left() == {raw.digest, fitted.digest}
    assert keys() == {"raw-raw", "train_a-fitted"}
    assert not stale.exists()
    assert gone.digest not in left()
    said = capsys.readouterr().out
    assert "view of w: 2 (20.0 kB)" in said
    assert "What is needed takes more than --keep-gb 0" in said


def test_a_newer_run_replaces_the_note_of_each_task_it_ran(project: Path):
    show(project, "train", put("train/a", "x"))
    records.asked()
    for key in ("fetch-1", "fit-1", "fit-2"):
        records.use(key)
    needs.note("w")
    records.use("fit-3")
    needs.note("w")
    ((_, note),) = needs.notes().items()
    assert note is not None
    assert note["records"] == {"fetch": ["fetch-1"], "fit": ["fit-3"]}


def test_a_note_without_its_view_goes(project: Path, monkeypatch):
    records.asked()
    artifact = put("train/a", "x", 40)
    records.use("train_a-x")
    os.utime(records.folder() / "train_a-x", (1, 1))
    needs.note("w")
    collect()
    assert left() == set()
    assert needs.notes() == {}
    assert artifact


def test_the_view_of_another_project_of_this_home_counts_too(tmp_path: Path, monkeypatch):
    artifact = put("train/a", "x", 40)
    show(tmp_path / "project", "train", artifact)
    needs.note("w")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("TEMPER_PROJECT", str(tmp_path / "elsewhere"))
    collect(keep_gb=0)
    assert left() == {artifact.digest}


def test_what_dvc_lock_records_stays_although_the_view_shows_another(project: Path):
    artifact = put("train/a", "recorded", 40)
    cache = project / ".dvc" / "other" / "files" / "md5"
    for md5, content in (
        ("aa" + "1" * 30, {"train/a": artifact.digest}),
        ("bb" + "2" * 30 + ".dir", [{"md5": "aa" + "1" * 30, "relpath": "artifacts.json"}]),
    ):
        (cache / md5[:2]).mkdir(parents=True)
        (cache / md5[:2] / md5[2:]).write_text(json.dumps(content))
    (project / ".dvc" / "config.local").write_text("[cache]\n    dir = other\n")
    outs = [{"md5": "bb" + "2" * 30 + ".dir"}, {"md5": "cc" + "3" * 30 + ".dir"}, {"md5": "dd"}]
    (project / "dvc.lock").write_text(json.dumps({"stages": {"train@w": {"outs": outs}}}))
    assert needs.find().digests == {artifact.digest: {"dvc.lock of w"}}
    collect(keep_gb=0)
    assert left() == {artifact.digest}


def _register(path: Path, *tags: tuple[str, str], stage: str = "None") -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE model_versions (workspace, name, version, current_stage)")
        database.execute("CREATE TABLE model_version_tags (workspace, name, version, key, value)")
        database.execute("CREATE TABLE registered_model_aliases (name, alias, version)")
        database.execute("INSERT INTO registered_model_aliases VALUES ('w', 'champion', 1)")
        database.execute("INSERT INTO model_versions VALUES ('d', 'w', 1, ?)", [stage])
        for key, value in tags:
            database.execute(
                "INSERT INTO model_version_tags VALUES ('d', 'w', 1, ?, ?)", [key, value]
            )


def test_what_a_registered_version_names_stays(capsys):
    graph, data, other = (put("compress/a", text, 40) for text in ("graph", "data", "other"))
    digest = file_digest(graph.path / "content")
    _register(home() / "mlflow.db", ("graph_digest", digest), ("data_digest", data.digest))
    collect(keep_gb=0)
    assert left() == {graph.digest, data.digest}
    assert other.digest not in left()
    assert "models:/w/1: 2" in capsys.readouterr().out


def test_a_deleted_version_needs_nothing():
    data = put("ingest/table", "data", 40)
    _register(home() / "mlflow.db", ("data_digest", data.digest), stage="Deleted_Internal")
    collect(keep_gb=0)
    assert left() == set()


def test_nothing_goes_where_the_registry_cannot_be_asked():
    put("train/a", "x", 40)
    (home() / "mlflow.db").write_bytes(b"no database".ljust(4096))
    before = left()
    with pytest.raises(TemperError, match="cannot be asked"):
        collect(keep_gb=0)
    assert left() == before
    assert len(before) == 1


def test_reports_that_the_next_one_compares_itself_with_stay(project: Path):
    champion, shown, before, last, forgotten = (
        put("report", text, 40) for text in ("champion", "shown", "before", "last", "forgotten")
    )
    version = put("register/version", "version", 40)
    _register(home() / "mlflow.db")
    show(project, "report", shown)
    entry = {"previous": None, "champion": None, "registered": None}
    runs = [
        entry | {"identity": "0-0", "report": forgotten.digest, "registered": ["w", 7]},
        entry
        | {
            "identity": f"0-{version.digest}",
            "report": champion.digest,
            "registered": ["w", 1],
        },
        entry | {"identity": "1-1", "report": before.digest},
        entry | {"identity": "2-2", "report": shown.digest, "previous": before.digest},
        entry | {"identity": "3-3", "report": last.digest, "previous": forgotten.digest},
    ]
    temporary.write(subfolder("history") / "w.json", json.dumps(runs))

    collect(keep_gb=0)

    assert left() == {a.digest for a in (champion, shown, before, last, version)}
    kept = json.loads((home() / "history" / "w.json").read_text())
    assert [run["identity"] for run in kept] == [run["identity"] for run in runs[1:]]


def test_what_forgotten_runs_left_goes_after_a_while():
    gone = (
        "checkpoints/1/a",
        "quarantine/1.csv",
        "locks/tasks/fit-1",
        "runs/1",
        "traces/old/fit.json",
    )
    stay = (
        "checkpoints/2/a",
        "quarantine/2.csv",
        "locks/tasks/fit-2",
        "runs/2",
        "memo/x",
        "remote/.x",
    )
    for name in (*gone, *stay):
        path = home() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    for name in (*gone, "memo/x", "remote/.x", "runs/held", "checkpoints/1"):
        path = home() / name
        path.touch()
        os.utime(path, (1, 1))
    with locks.held(home() / "runs" / "held"):
        os.utime(home() / "runs" / "held", (1, 1))
        collect()
    assert [name for name in gone if (home() / name).exists()] == []
    assert [name for name in (*stay, "runs/held") if not (home() / name).exists()] == []


def test_it_does_not_start_beside_a_run_and_names_it():
    put("train/a", "x", 40)
    script = "import time; from tasks.core import usage; usage.share(); print(1); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-uc", script], stdout=subprocess.PIPE)
    try:
        assert process.stdout
        process.stdout.readline()
        with pytest.raises(StoreBusy, match=f"process {process.pid}: .*usage.share"):
            collect(keep_gb=0)
        assert len(left()) == 1
        collecting.collect(0, 0, dry_run=True)
    finally:
        process.kill()
        process.communicate()
    collect(keep_gb=0)
    assert left() == set()


def test_a_run_that_begins_meanwhile_waits():
    script = (
        "import time; from tasks.core import usage; print(1); usage.share(); print(time.time())"
    )
    with usage.alone():
        process = subprocess.Popen([sys.executable, "-uc", script], stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        time.sleep(0.3)
        freed = time.time()
    assert float(process.communicate(timeout=30)[0]) >= freed


SLOW = """
import os, time
from flows import collecting

def slowly(function):
    def slow(*arguments, **named):
        time.sleep(0.003)
        return function(*arguments, **named)
    return slow

os.replace, os.unlink = slowly(os.replace), slowly(os.unlink)
print("ready", flush=True)
collecting.collect(0, 0, False)
"""


def test_killed_at_any_moment_nothing_half_deleted_is_taken_for_whole():
    for number in range(100):
        put("train/a", str(number), 40)
    found = [100]
    for delay_s in (0.2, 0.4, 0.5, 0.3, 0.6, 0.7):  # records, contents, then what was moved
        process = subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        found.append(len(left()))
        named = [record.artifacts[0] for record in records.every()]
        assert all(store.intact(artifact) for artifact in named), "records go first"
    assert any(0 < count < 100 for count in found), found

    collect(keep_gb=0)

    assert left() == set()
    assert keys() == set()
    assert list(subfolder("tmp").iterdir()) == []
    assert list(subfolder("store").glob("??/*")) == []
