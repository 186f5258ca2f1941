"""What a user is told when something around a run fails; nothing that finished is lost by it."""

import http.server
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.core import server
from tests.pipeline.conftest import Project, counts, until
from tests.pipeline.test_kill import killed, records, states

SHORT, TASKS = ("run", "micro", "--until", "train"), 7  # enough where what fails is around it


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """Have a small file system in memory at a folder; skip the test where that is not allowed."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", options, "temper-test", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("needs the command mount")
    if done.returncode:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def goes_on(project: Project, had: set[str], *run: str) -> None:
    """The next run finds cached whatever had finished, and ends well."""
    done = project.temper(*(run or SHORT))
    assert done.returncode == 0, done.stdout + done.stderr
    ran, cached = counts(done.stdout)
    assert cached >= len(had)
    assert ran + cached == (18 if run else TASKS)


def outcome(process: subprocess.Popen[str]) -> str:
    """Return what a process wrote, once it has ended well."""
    text, _ = process.communicate(timeout=180)
    assert process.returncode == 0, text
    return text


def wait_for_server() -> None:
    """Return once the private server answers."""
    assert until(lambda: server.running() and server.healthy(str(server.running())), 60)


def deploy(project: Project) -> None:
    """Deploy to the private server, which a worker has started."""
    wait_for_server()
    assert project.temper("deploy").returncode == 0


def told(done, code: int = 1) -> str:
    """Return the one message that a failed run ended with."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.slow
def test_a_full_disk(clone: Project, new_database: Path):
    database = clone.home / "prefect.db"
    database.unlink()
    with mounted(clone.home, "size=5m,mode=0700"):
        shutil.copyfile(new_database, database)
        try:
            words = told(clone.temper("run", "micro"))  # whole: its tables and MLflow's fill it
            assert f"no space left on the disk of {clone.home}" in words
            assert "set TEMPER_HOME" in words
            had = {name for name in records(clone) if "-" not in name and len(name) < 32}
            assert {"fetch", "ingest", "validate", "clean"} <= had
            grown = ["mount", "-o", "remount,size=200m", str(clone.home)]
            subprocess.run(grown, check=True)
            goes_on(clone, had)
        finally:
            clone.end()


@pytest.mark.slow
def test_a_view_that_cannot_be_written(beside: Project):
    lock = (beside.folder / "dvc.lock").exists()
    with mounted(beside.folder / "models", "ro"):
        words = told(beside.temper("run", "micro"))
        assert f"{beside.folder / 'models'}" in words
        assert "Read-only file system" in words
        assert (beside.folder / "dvc.lock").exists() == lock
    done = beside.temper("run", "micro")
    assert done.returncode == 0, done.stderr
    assert counts(done.stdout)[0] == 0, "all of it had finished"
    assert (beside.folder / "models" / "micro" / "report" / "report.html").is_file()


@pytest.mark.slow
def test_a_locked_database_is_waited_for(ran: Project):
    had = len(list((ran.home / "records").iterdir()))
    process = ran.start(*SHORT, "--set", "seed=41")
    assert until(lambda: len(list((ran.home / "records").iterdir())) > had, 120, 0.02)
    with closing(sqlite3.connect(ran.home / "prefect.db", timeout=60)) as database:
        database.execute("BEGIN EXCLUSIVE")
        time.sleep(8)
        database.rollback()
    assert counts(outcome(process)) == (3, 4)
    assert until(lambda: states(ran.home / "prefect.db", "micro")[-1] == "Completed", 20)


@pytest.mark.slow
def test_a_locked_registry_is_waited_for(ran: Project):
    process = ran.start("run", "micro", "--set", "seed=42")
    with closing(sqlite3.connect(ran.home / "mlflow.db", timeout=60)) as database:
        database.execute("BEGIN EXCLUSIVE")
        had = len(list((ran.home / "records").glob("recommend-*")))
        found = (ran.home / "records").glob
        assert until(lambda: len(list(found("recommend-*"))) > had, 120, 0.02)
        time.sleep(8)
        database.rollback()
    assert counts(outcome(process))[0] >= 10


def test_the_server_killed_in_the_middle(clone: Project):
    process = clone.start(*SHORT)
    assert until(lambda: "clean" in records(clone), 120, 0.02)
    first = json.loads((clone.home / "server.json").read_text())["pid"]
    os.kill(first, signal.SIGKILL)
    assert counts(outcome(process)) == (TASKS, 0)
    assert json.loads((clone.home / "server.json").read_text())["pid"] != first
    assert until(lambda: not clone.processes(), 40), clone.processes()
    assert states(clone.home / "prefect.db", "micro") == ["Completed"]


@pytest.mark.slow
def test_a_server_of_the_users_own_killed_and_started_again(
    clone: Project, new_database: Path, tmp_path: Path
):
    url, command = "http://127.0.0.1:4773/api", [sys.executable, "-m", "prefect", "server"]
    command += ["start", "--host", "127.0.0.1", "--port", "4773"]
    shutil.copyfile(new_database, tmp_path / "own.db")
    environment = clone.environment | {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{tmp_path / 'own.db'}",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }

    def started() -> subprocess.Popen[bytes]:
        quiet = subprocess.DEVNULL
        return subprocess.Popen(
            command, env=environment, stdout=quiet, stderr=quiet, start_new_session=True
        )

    def answers() -> bool:
        try:
            return urllib.request.urlopen(f"{url}/health", timeout=1).status == 200
        except OSError:
            return False

    theirs = started()
    try:
        assert until(answers, 60)
        clone.environment["PREFECT_API_URL"] = url
        process = clone.start("run", "micro")
        assert until(lambda: "clean" in records(clone), 120, 0.02)
        os.killpg(theirs.pid, signal.SIGKILL)
        theirs.wait()
        time.sleep(4)
        theirs = started()
        text = outcome(process)
        assert counts(text) == (18, 0)
        assert "its pages may lack some of this run's tasks" in text
        assert "Traceback" not in text
        killed(clone, lambda: states(tmp_path / "own.db", "micro")[-1] == "Running", True)
        assert clone.temper(*SHORT).returncode == 0
        ended = ["Completed", "Crashed", "Completed"]
        assert until(lambda: states(tmp_path / "own.db", "micro") == ended, 10)
    finally:
        os.killpg(theirs.pid, signal.SIGKILL)
        theirs.wait()


def test_an_mlflow_that_does_not_answer(beside: Project):
    beside.environment["MLFLOW_TRACKING_URI"] = "http://me:secret@127.0.0.1:9"
    words = told(beside.temper("run", "micro"))
    assert "MLFLOW_TRACKING_URI=http://127.0.0.1:9: nothing answers there" in words
    assert "unset the variable" in words
    assert beside.temper(*SHORT).returncode == 0, "it needs none"


class _Once(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.mark.slow
def test_an_mlflow_that_is_lost_before_the_registration(clone: Project):
    server = http.server.HTTPServer(("127.0.0.1", 0), _Once)
    threading.Thread(target=server.handle_request).start()
    clone.environment["MLFLOW_TRACKING_URI"] = f"http://127.0.0.1:{server.server_port}"
    process = clone.start("run", "micro")
    assert until(lambda: "clean" in records(clone) or process.poll() is not None, 120)
    server.server_close()
    text, _ = process.communicate(timeout=180)
    assert process.returncode == 1, text
    assert "nothing answers there" in text.splitlines()[-1]
    had = records(clone)
    assert "recommend" in had
    del clone.environment["MLFLOW_TRACKING_URI"]
    goes_on(clone, had, "run", "micro")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("send", "sign"),
    [
        pytest.param(os.kill, signal.SIGTERM, id="by a service manager"),
        pytest.param(os.killpg, signal.SIGINT, id="by Ctrl-C"),
    ],
)
def test_a_stopped_worker_hands_its_run_back(
    clone: Project, send, sign: signal.Signals, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TEMPER_HOME", str(clone.home))
    worker = clone.start("worker")
    try:
        deploy(clone)
        with temporary_settings({PREFECT_API_URL: str(server.running())}):
            with get_client(sync_client=True) as client:
                deployment = client.read_deployment_by_name("pipeline/micro")
                client.create_flow_run_from_deployment(
                    deployment.id, parameters={"name": "micro", "until": "train"}
                )
            assert until(lambda: "clean" in records(clone), 120, 0.02)
            send(worker.pid, sign)
            text = outcome(worker)
            assert "1 interrupted, handed back" in text
            assert "Traceback" not in text
            had = records(clone)
            assert until(lambda: not clone.processes(server=False), 20)
            worker = clone.start("worker")
            ended = ("Completed", "Failed", "Crashed")
            assert until(lambda: states(clone.home / "prefect.db", "micro")[0] in ended, 120, 0.5)
        assert states(clone.home / "prefect.db", "micro") == ["Completed"]
        assert records(clone) > had
    finally:
        clone.end()
        worker.communicate()


@pytest.mark.slow
def test_a_run_killed_before_it_ran_holds_nothing(clone: Project, monkeypatch: pytest.MonkeyPatch):
    def trigger() -> None:
        with get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name("pipeline/micro")  # one run at a time
            client.create_flow_run_from_deployment(
                deployment.id, parameters={"name": "micro", "until": "ingest"}
            )

    def started() -> list[psutil.Process]:
        found = []
        for process in clone.processes():
            with suppress(psutil.Error):  # it ended meanwhile
                found += [process] if "prefect.engine" in process.cmdline() else []
        return found

    def triggered() -> list[str]:  # their names come when they run
        query = "SELECT state_name FROM flow_run WHERE NOT auto_scheduled ORDER BY created"
        with closing(sqlite3.connect(clone.home / "prefect.db", timeout=20)) as database:
            return [row[0] for row in database.execute(query)]

    monkeypatch.setenv("TEMPER_HOME", str(clone.home))
    worker = clone.start("worker")
    try:
        deploy(clone)
        with temporary_settings({PREFECT_API_URL: str(server.running())}):
            trigger()
            assert until(started, 60, 0.01)
            os.killpg(worker.pid, signal.SIGKILL)
            for process in started():
                process.kill()
        left = triggered()
        worker.communicate()
        worker = clone.start("worker")
        assert left in (["Pending"], ["Submitting"])
        wait_for_server()
        assert until(lambda: triggered() == ["Crashed"], 60, 0.5)
        with temporary_settings({PREFECT_API_URL: str(server.running())}):
            trigger()
        assert until(lambda: triggered() == ["Crashed", "Completed"], 120, 0.5)
    finally:
        clone.end()
        worker.communicate()


@pytest.mark.slow
def test_the_clock_set_back(ran: Project):
    """All that a run left is from the future then."""
    assert ran.temper("run", "micro").returncode == 0
    future = time.time() + 86_400
    for top in ("records", "store", "traces", "memo", "times", "runs", "locks"):
        for path in (ran.home / top).rglob("*"):
            os.utime(path, (future, future))
    done = ran.temper("run", "micro")
    assert done.returncode == 0, done.stderr
    assert counts(done.stdout)[0] == 0
    assert "would remove 0 contents" in ran.temper("gc", "--dry-run").stdout


@pytest.mark.slow
def test_two_runs_of_one_workload_at_once(clone: Project, ran: Project):
    both = [clone.start(*SHORT) for _ in range(2)]
    texts = [outcome(process) for process in both]
    assert sum(counts(text)[0] for text in texts) == TASKS, "no task is done twice"
    assert sum(counts(text)[1] for text in texts) == TASKS
    ours, theirs = clone.manifests(), ran.manifests()
    assert "train/linear" in ours
    assert {n: d for n, d in theirs.items() if n in ours and not n.startswith("tele")} == {
        n: d for n, d in ours.items() if not n.startswith("tele")
    }


@pytest.mark.slow
def test_a_run_beside_dvc_repro(clone: Project, ran: Project):
    run, repro = clone.start("run", "micro"), clone.start("repro")
    outcome(repro)
    outcome(run)
    assert set(clone.manifests()) == set(ran.manifests())
    again = clone.temper("run", "micro")
    assert counts(again.stdout) == (0, 18)
    assert json.loads(clone.dvc("status", "--json").stdout) == {}
