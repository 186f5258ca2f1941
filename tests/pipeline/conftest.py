"""A project of a test's own: a copy of this one with `micro` active, used as a user would."""

import compileall
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from py_compile import PycInvalidationMode

import psutil
import pytest

from tasks.core import child, locks

ROOT = Path(__file__).parents[2]
TEMPER = ("-m", "flows.cli")
OWN = ("TEMPER_", "PREFECT_", "DVC_", "MLFLOW_", "PYTHONPATH", "COV")
MEASURING = {k: v for k, v in os.environ.items() if k.startswith("COV")}  # half as slow again
Done = subprocess.CompletedProcess[str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here."""
    for item in items:
        if Path(__file__).parent in Path(item.path).parents:
            item.add_marker(pytest.mark.pipeline)


class Project:
    """A copy of the project in a folder, and what a user does in it."""

    def __init__(self, folder: Path, home: Path | None = None) -> None:
        self.folder = folder
        self.home = home or folder / ".temper"
        self.modes: dict[Path, int] = {}  # what its first run left in the home
        self.user = folder.parent / "user"  # $HOME
        self.user.mkdir(exist_ok=True)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(OWN)} | {
            "TEMPER_HOME": str(self.home),
            "TEMPER_PROJECT": str(folder),
            "PYTHONPATH": str(folder),  # this copy's code, not the installed one
            "HOME": str(self.user),
            "GIT_CONFIG_GLOBAL": "/dev/null",
        }

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of `temper`."""
        return [sys.executable, *TEMPER, *arguments]

    def temper(self, *arguments: str, cwd: Path | None = None, timeout: float = 180):
        """Run `temper` and return how it went."""
        return self.run(*self.command(*arguments), cwd=cwd, timeout=timeout)

    def dvc(self, *arguments: str):
        """Run `dvc` and return how it went."""
        return self.run(sys.executable, "-m", "dvc", *arguments)

    def git(self, *arguments: str):
        """Run `git` and return how it went."""
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        return self.run("git", *identity, *arguments)

    def run(self, *command: str, cwd: Path | None = None, timeout: float = 180, **environment: str):
        """Run a command in the project, in its environment."""
        return subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def start(self, *arguments: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        """Start `temper` in a process group of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=cwd or self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def processes(self, server: bool = True) -> list[psutil.Process]:
        """Return the living processes that work in this project's home, found by environment."""
        found = []
        for process in psutil.process_iter():
            try:
                mine = process.environ().get("TEMPER_HOME") == str(self.home)
                is_server = "tasks.core.serving" in process.cmdline()
            except psutil.Error:
                continue
            alive = process.is_running() and process.status() != psutil.STATUS_ZOMBIE
            if mine and alive and (server or not is_server):
                found.append(process)
        return found

    def held(self) -> list[str]:
        """Return the locks of the home that somebody holds."""
        paths = [p for top in ("locks", "slots", "runs") for p in (self.home / top).rglob("*")]
        held = (p for p in paths if p.is_file() and not locks.is_free(p))
        return [str(p.relative_to(self.home)) for p in held]

    def shown(self) -> dict[str, bytes]:
        """Return dvc.lock and every file of data/ and models/, as bytes."""
        tops = (self.folder / "data", self.folder / "models")
        files = [p for top in tops for p in top.rglob("*") if p.is_file()]
        return {
            str(p.relative_to(self.folder)): p.read_bytes()
            for p in [self.folder / "dvc.lock", *sorted(files)]
            if p.exists()
        }

    def manifests(self) -> dict[str, str]:
        """Return the digest of every artifact that the view shows."""
        found: dict[str, str] = {}
        for path in sorted(self.folder.glob("*/*/*/artifacts.json")):
            found |= json.loads(path.read_text())
        return found

    def end(self) -> None:
        """End whatever of this project still runs."""
        for process in self.processes():
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.Error:
                continue


def counts(text: str) -> tuple[int, int]:
    """Return how many tasks ran and how many were cached, from a run's summary."""
    found = re.search(r"(\d+) tasks ran, (\d+) cached", text)
    assert found, text
    return int(found[1]), int(found[2])


def until(condition, limit_s: float = 20.0, every_s: float = 0.1) -> bool:
    """Wait for a condition; return whether it came true in time."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(every_s)
    return bool(condition())


def copy_project(folder: Path) -> Project:
    """Return a copy of this project's files (no data, no home) as a git repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "benchmarks/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    params = folder / "params.yaml"
    text = re.sub(r"(?m)^(active|bundled): \[digits\]", r"\1: [micro]", params.read_text())
    params.write_text(text)
    (folder / "dvc.lock").unlink(missing_ok=True)
    project = Project(folder)
    project.git("init", "-q", "-b", "main")
    project.git("add", "-A")
    assert project.git("commit", "-q", "-m", "As it ships").returncode == 0
    return project


@pytest.fixture(autouse=True, scope="module")
def in_the_sessions_home(session_home: str) -> Iterator[None]:
    """Work where the session's server is, whatever a fixture of another folder left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPER_HOME", session_home)
        yield


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Give a project in which nothing ran yet; to be cloned, not to be changed."""
    project = copy_project(tmp_path_factory.mktemp("fresh") / "project")
    for top in ("flows", "tasks"):  # by their content: clones are younger
        mode = PycInvalidationMode.CHECKED_HASH
        assert compileall.compile_dir(project.folder / top, quiet=1, invalidation_mode=mode)
    yield project
    project.end()


def clone_files(fresh: Project, folder: Path) -> None:
    """Make a git clone of the fresh project, with its compiled code: each process needs that."""
    subprocess.run(["git", "clone", "-q", str(fresh.folder), str(folder)], check=True)
    for path in fresh.folder.rglob("__pycache__"):
        shutil.copytree(path, folder / path.relative_to(fresh.folder))


def cloned(fresh: Project, folder: Path, database: Path) -> Project:
    """Return a git clone of the fresh project with a home of its own, Prefect's tables in it."""
    clone_files(fresh, folder)
    project = Project(folder)
    project.home.mkdir(mode=0o700)
    shutil.copyfile(database, project.home / "prefect.db")
    return project


@pytest.fixture
def clone(fresh: Project, new_database: Path, tmp_path: Path) -> Iterator[Project]:
    """Give a test a git clone of the fresh project, with a home of its own."""
    project = cloned(fresh, tmp_path / "clone", new_database)
    yield project
    project.end()


@pytest.fixture(scope="session")
def ran(
    fresh: Project, new_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """Give a project in which `temper run micro` went through once, under the usual umask."""
    project = cloned(fresh, tmp_path_factory.mktemp("ran") / "project", new_database)
    project.home.chmod(0o755)  # as `dvc push` makes it, where it comes first
    (project.home / "prefect.db").chmod(0o600)
    before = os.umask(0o022)
    try:
        done = project.run(*project.command("run", "micro"), **MEASURING)
    finally:
        os.umask(before)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in [project.home, *project.home.rglob("*")]:
        project.modes[path.relative_to(project.home)] = path.stat().st_mode
    with locks.held(project.home / "locks" / "server-clients", shared=True):  # its server stays
        yield project
    project.end()


@pytest.fixture
def beside(fresh: Project, ran: Project, tmp_path: Path) -> Project:
    """Give a clone that works in the home of the project that ran."""
    clone_files(fresh, folder := tmp_path / "beside")
    return Project(folder, ran.home)


@pytest.fixture
def main(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Done]]:
    """Give a function that runs `temper` in this process, and returns how it ended."""
    from flows import cli

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def run(*arguments: object) -> Done:
        words = ["temper", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", words)
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return Done(words, code, said.out, said.err)

    yield run
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow sets it to what it used last


@pytest.fixture
def here(
    main: Callable[..., Done], api: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Project], Callable[..., Done]]]:
    """Give a function that takes this process to a project, on the session's server, and returns
    `main`: a third of the time of `Project.temper`, where the process is not what is looked at.
    Children come from the session's home: what works in a project's is ended with the project.
    """
    from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

    child.warm(("tasks.compress.variants", "tasks.train.fitting", "onnx", "onnxruntime"))
    with ExitStack() as settings:

        def inside(project: Project) -> Callable[..., Done]:
            for name in ("TEMPER_HOME", "TEMPER_PROJECT", "HOME", "GIT_CONFIG_GLOBAL"):
                monkeypatch.setenv(name, project.environment[name])
            monkeypatch.setenv("PREFECT_API_URL", api)
            records = str(project.home / "records")
            monkeypatch.setenv("PREFECT_LOCAL_STORAGE_PATH", records)
            settings.enter_context(temporary_settings({PREFECT_LOCAL_STORAGE_PATH: records}))
            monkeypatch.chdir(project.folder)
            return main

        yield inside
