"""`temper gc` after real runs: what is kept is found cached, what went comes back the same."""

import json
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tasks.core.artifacts import file_digest
from tests.pipeline.conftest import Project, cloned, counts, until
from tests.pipeline.test_kill import MEASURED

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]
SEEDS = ("seed=1", "seed=2")


def contents(project: Project) -> set[str]:
    """Return the digests of the contents of the store."""
    return {path.name for path in (project.home / "store").glob("??/*") if path.is_dir()}


def made(project: Project) -> dict[str, set[str]]:
    """Return, by its name, the digests of every artifact that a record names."""
    found: dict[str, set[str]] = {}
    for path in (project.home / "records").iterdir():
        for artifact in json.loads(json.loads(path.read_text())["result"])["artifacts"]:
            found.setdefault(artifact["name"], set()).add(artifact["digest"])
    return found


def ends(project: Project) -> bool:
    return until(lambda: not project.processes(server=False), 20)


@pytest.fixture(scope="module")
def thrice(
    fresh: Project, new_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """Give a project after three runs with different params, the last with those of params.yaml."""
    project = cloned(fresh, tmp_path_factory.mktemp("thrice") / "project", new_database)
    for arguments in (("--set", SEEDS[0]), ("--set", SEEDS[1]), ()):
        done = project.temper("run", "micro", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    assert ends(project)
    yield project
    project.end()


def test_it_refuses_beside_a_run_and_says_which(thrice: Project):
    there = contents(thrice)
    process = thrice.start("run", "micro", "--set", "seed=3")
    try:
        assert until(lambda: contents(thrice) > there, 120, 0.02)
        process.send_signal(signal.SIGSTOP)  # so that it surely still runs
        refused = thrice.temper("gc", "--keep-gb", "0")
        assert refused.returncode == 1, refused.stdout
        assert f"process {process.pid}: " in refused.stderr
        assert "run micro --set seed=3" in refused.stderr
        assert "Traceback" not in refused.stderr
    finally:
        process.kill()
        process.communicate()
    assert contents(thrice) >= there
    assert ends(thrice)


def test_what_is_needed_stays_and_what_went_comes_back_the_same(thrice: Project):
    before, shown, size = made(thrice), thrice.shown(), len(contents(thrice))
    told = thrice.temper("gc", "--keep-gb", "0", "--dry-run")
    assert told.returncode == 0, told.stderr
    assert len(contents(thrice)) == size
    assert "would remove" in told.stdout

    done = thrice.temper("gc", "--keep-gb", "0")

    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("view of micro", "dvc.lock of micro", "models:/micro/1", "history of micro"):
        assert words in done.stdout
    assert len(contents(thrice)) <= 0.6 * size
    assert thrice.shown() == shown
    assert json.loads(thrice.dvc("status", "--json").stdout) == {}
    assert "Running stage" not in thrice.dvc("repro").stdout
    again = thrice.temper("run", "micro")
    assert counts(again.stdout)[0] == 0, again.stdout
    assert thrice.shown() == shown
    _registered_versions_load(thrice)

    back = thrice.temper("run", "micro", "--set", SEEDS[0])
    assert back.returncode in (0, 3), back.stderr  # 3: a latency limit missed on a busy machine
    assert counts(back.stdout)[0] >= 10
    after = made(thrice)
    fixed = {name for name in before if name.split("/")[0] not in MEASURED}
    assert len(fixed) >= 12
    for name in fixed:  # one of the two others that went, and no third
        assert after[name] <= before[name]
    assert len(after["train/linear"]) == 2


def test_after_dvc_repro_alone_too(clone: Project):
    done = clone.temper("repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ends(clone)
    assert clone.temper("gc", "--keep-gb", "0").returncode == 0
    assert "Running stage" not in clone.dvc("repro").stdout
    assert counts(clone.temper("run", "micro").stdout)[0] == 0


def test_a_killed_collection_is_taken_up_again(thrice: Project):
    done = thrice.temper("run", "micro", "--set", SEEDS[1])
    assert done.returncode == 0, done.stderr
    assert ends(thrice)
    shown, there = thrice.shown(), len(contents(thrice))
    process = thrice.start("gc", "--keep-gb", "0")
    assert until(lambda: len(contents(thrice)) < there or process.poll() is not None, 60, 0.0005)
    process.kill()
    process.communicate()
    assert len(contents(thrice)) < there
    back = thrice.temper("run", "micro")
    assert counts(back.stdout)[0] == 0, back.stdout
    assert thrice.shown() == shown
    assert ends(thrice)
    assert thrice.temper("gc", "--keep-gb", "0").returncode == 0
    assert not list((thrice.home / "tmp").iterdir())


def _registered_versions_load(project: Project) -> None:
    script = (
        "import sys, mlflow, numpy\n"
        "for n in (1, 2, 3):\n"
        "    model = mlflow.pyfunc.load_model(f'models:/micro/{n}')\n"
        "    print(sorted(model.predict(model.input_example)))"
    )
    uri = f"sqlite:///{project.home / 'mlflow.db'}"
    environment = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = project.run(sys.executable, "-c", script, **environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == 3
    with closing(sqlite3.connect(project.home / "mlflow.db")) as database:
        query = "SELECT value FROM model_version_tags WHERE key = 'graph_digest'"
        graphs = {value for (value,) in database.execute(query)}
    stored = {file_digest(path) for path in Path(project.home, "store").rglob("model.onnx")}
    assert len(graphs) == 3
    assert graphs <= stored
