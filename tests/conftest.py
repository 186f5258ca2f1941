"""Every test works in a home of its own; one Prefect server serves the whole session."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from tests.compressed import Study

ROOT = Path(__file__).parents[1]
HOMES: list[str] = []  # the session's: fixtures of whole folders move TEMPER_HOME elsewhere


def pytest_configure(config: pytest.Config) -> None:
    """Point Temper and Prefect at folders of this session before anything imports them."""
    HOMES.append(tempfile.mkdtemp(prefix="temper-tests-"))
    os.environ["TEMPER_HOME"] = HOMES[0]
    os.environ.pop("PREFECT_API_URL", None)
    from tasks.core import server

    os.environ.update(server.environment())


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the session's folders; the server, if one was started, stops by its locks."""
    from tasks.core import server

    server.stop_linger()
    shutil.rmtree(os.environ["TEMPER_HOME"], ignore_errors=True)


@pytest.fixture(scope="session")
def session_home() -> str:
    """Give the home of this session, where its server is."""
    return HOMES[0]


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory, session_home: str) -> Path:
    """Give a new database of Prefect's; making one takes 10 s, and a copy saves a new home that.

    The first of the processes that run tests makes it, in its own home.
    """
    from tasks.core import locks, server

    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    made, own = folder / "new-prefect.db", Path(session_home) / "prefect.db"
    with pytest.MonkeyPatch.context() as patch, locks.held(folder / "new-prefect.lock"):
        patch.setenv("TEMPER_HOME", session_home)
        if not made.exists():
            server.connect()
            with closing(sqlite3.connect(own, timeout=60)) as database:
                database.execute("VACUUM INTO ?", [str(made)])
        elif not own.exists():
            shutil.copyfile(made, own)
    return made


@pytest.fixture(scope="session")
def api(new_database: Path, session_home: str) -> Iterator[str]:
    """Give the address of a real Prefect server of the project's own kind, in this session."""
    from tasks.core import server

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPER_HOME", session_home)
        url = server.connect()
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )

    with temporary_settings({PREFECT_API_URL: url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield url


@pytest.fixture
def temper_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a test an empty Temper home of its own."""
    home = tmp_path / "home"
    monkeypatch.setenv("TEMPER_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder of shared real data; a test that wants it is skipped where it is absent."""
    folder = Path(os.environ.get("TEMPER_SHARED") or ROOT.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"needs the shared data: no {folder} (set TEMPER_SHARED)")
    return folder


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> "Study":
    """Give real images, models fitted on them, and variants of those."""
    from tests.compressed import Study
    from tests.prepared import prepared_digits

    folder = tmp_path_factory.mktemp("digits")
    return Study(prepared_digits(folder / "prepared"), folder)


@pytest.fixture(scope="session")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> "Study":
    """Give the same of a small table with a number to predict."""
    return _table(tmp_path_factory.mktemp("numbers"), "regression")


@pytest.fixture(scope="session")
def classes(tmp_path_factory: pytest.TempPathFactory) -> "Study":
    """Give the same of a small table with a class to predict."""
    return _table(tmp_path_factory.mktemp("classes"), "classification")


def _table(folder: Path, task: Literal["regression", "classification"]) -> "Study":
    from tests.compressed import Study
    from tests.prepared import prepared_table

    return Study(prepared_table(folder / "prepared", task), folder)
