"""MLflow's store: where it is, opened without telemetry, and asked without importing MLflow."""

import logging
import os
import re
import sqlite3
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tasks.core import locks, slots
from tasks.core.errors import TemperError, TransientError
from tasks.core.home import home, subfolder
from tasks.register import ledger

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",  # MLflow 3.17 knows only this spelling; "1" leaves its telemetry on
    "GIT_PYTHON_REFRESH": "quiet",  # else a warning where there is no git
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
ANSWER_WITHIN_S = 5.0
UNREACHED = ("database is locked", "failed with exception")  # of SQLite; of MLflow's HTTP client
GRAPH_TAG = "graph_digest"
PARAMS_TAG = "params_digest"
DIGEST = re.compile("[0-9a-f]{64}")
CANDIDATE, CHAMPION = "candidate", "champion"


def tracking_uri() -> str:
    """Return the URI of the store: `MLFLOW_TRACKING_URI`, else SQLite in Temper's home."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home() / 'mlflow.db'}"


def artifact_location(workload: str) -> str | None:
    """Return where a workload's files go; None where a store from the environment decides."""
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return None
    return (subfolder("mlartifacts") / urllib.parse.quote(workload, safe="")).as_uri()


@contextmanager
def opened(uri: str) -> Iterator[Any]:
    """Give an `MlflowClient` of the store at a URI; files it makes are private to the user.

    A new SQLite store costs 1.6 s of migrations, an open one 10 ms, the imports 2 to 3 s: so it is
    done in a child process, once a registration.

    Raises:
        TransientError: the store does not answer, or another process has locked it.
    """
    require_answer(uri)
    with _calm():
        import mlflow
        from mlflow.utils import requirements_utils

        # Else it reads the file lists of all that is installed, 0.3 s, for warnings that go nowhere
        requirements_utils._MODULES_TO_PACKAGES = {}
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        if database_missing(uri):
            _make_database(Path(uri.removeprefix("sqlite:///")))
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(os.environ.get("MLFLOW_REGISTRY_URI") or uri)
        try:
            yield mlflow.MlflowClient()
        except Exception as error:
            if any(words in str(error) for words in UNREACHED):
                raise TransientError(f"MLflow's store does not answer: {error}") from error
            raise


def require_answer(uri: str) -> None:
    """Return at once where a store is a file or its server answers, whatever it says.

    Raises:
        TransientError: nothing answers. MLflow itself would try again for minutes.
    """
    if not uri.startswith(("http://", "https://")):
        return
    address = re.sub("//[^/@]*@", "//", uri)  # without a name and password
    try:
        with urllib.request.urlopen(address, timeout=ANSWER_WITHIN_S):
            pass
    except urllib.error.HTTPError:
        return
    except OSError as error:
        raise TransientError(
            f"MLFLOW_TRACKING_URI={address}: nothing answers there ({error}). Start that server, "
            "or unset the variable: Temper then keeps its own store. What finished is kept."
        ) from error


@contextmanager
def _calm() -> Iterator[None]:
    """Let MLflow send nothing, warn of nothing, and leave the environment as it was."""
    before, mask = dict(os.environ), os.umask(0o077)
    os.environ.update(QUIET)
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # 14 s; its own are minutes
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SQLAlchemy's deprecations, as MLflow uses it
            yield
    finally:
        os.umask(mask)
        changed = [name for name, value in os.environ.items() if before.get(name) != value]
        for name in changed:  # MLflow writes the URIs that it is given into the environment
            if name in before:
                os.environ[name] = before[name]
            else:
                del os.environ[name]


def database_missing(uri: str) -> bool:
    """Return whether a store is an SQLite database that is not there yet."""
    return uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists()


def _make_database(path: Path) -> None:
    """Make MLflow's database, whole or not at all: half of its migrations can never be resumed."""
    import mlflow

    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    for left in path.parent.glob(f"{path.name}.*.tmp"):  # of a process that died here
        left.unlink()
    uri = f"sqlite:///{temporary}"
    mlflow.MlflowClient(uri, uri).search_experiments(max_results=1)
    os.replace(temporary, path)


def get_ready() -> None:
    """Do what a registration does before its work: import MLflow, open the store, make a new one.

    For a child that is started ahead. It shares the machine like other work, so that no measurement
    runs beside it.
    """
    with slots.working("cpu"), _calm():
        import mlflow.onnx
        import mlflow.pyfunc  # noqa: F401

        lock = locks.acquire(lock_file(), timeout_s=0)
        if lock is None:  # perhaps by the registration that this child is for: no waiting
            return
        try:
            with opened(tracking_uri()) as client:
                client.search_registered_models(max_results=1)
        finally:
            locks.release(lock)


def lock_file() -> Path:
    """Return the lock of the store: SQLite takes one writer."""
    return subfolder("locks") / "mlflow"


def versions(client: Any, name: str) -> list[Any]:
    """Return the registered versions of a model, oldest first; none where the model is unknown."""
    found = client.search_model_versions(f"name = '{name}'")
    return sorted(found, key=lambda v: int(v.version))


def same(client: Any, name: str, graph_digest: str, params_digest: str) -> Any | None:
    """Return the version that holds this graph made by these params, or None."""
    for version in reversed(versions(client, name)):
        tags = version.tags
        if (tags.get(GRAPH_TAG), tags.get(PARAMS_TAG)) == (graph_digest, params_digest):
            return version
    return None


def alias(client: Any, name: str, which: str) -> int | None:
    """Return the version number that an alias points to, or None."""
    aliases = client.get_registered_model(name).aliases
    return int(aliases[which]) if which in aliases else None


def champion(name: str, workload: str) -> int | None:
    """Return the version number that is champion, or None; costs about a millisecond.

    SQLite is read as it lies; of another store the ledger says what Temper made champion there.
    """
    uri = tracking_uri()
    if not uri.startswith("sqlite:///"):
        entry = ledger.latest(workload, "champion")
        return int(entry["version"]) if entry else None
    address = f"file:{urllib.parse.quote(uri.removeprefix('sqlite:///'))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=10)) as database:
            row = database.execute(
                "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?",
                (name, CHAMPION),
            ).fetchone()
            return int(row[0]) if row else None
    except sqlite3.Error:
        return None


def named_digests() -> dict[str, set[str]]:
    """Return, by the URI of each registered version, the digests that its tags name.

    Raises:
        TemperError: the store cannot be asked.
    """
    uri = tracking_uri()
    if database_missing(uri):
        return {}
    try:
        tags = _tags_in_sqlite(uri) if uri.startswith("sqlite:///") else _tags_asked(uri)
    except Exception as error:
        raise TemperError(f"MLflow's store {uri} cannot be asked what it needs: {error}") from error
    found: dict[str, set[str]] = {}
    for name, version, value in tags:
        named = found.setdefault(f"models:/{name}/{version}", set())
        named |= {value} if value and DIGEST.fullmatch(value) else set()
    return found


def _tags_in_sqlite(uri: str) -> list[tuple[str, int, str | None]]:
    address = f"file:{urllib.parse.quote(uri.removeprefix('sqlite:///'))}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=10)) as database:
        return database.execute(
            "SELECT name, version, value FROM model_versions LEFT JOIN model_version_tags "
            "USING (workspace, name, version) WHERE current_stage != 'Deleted_Internal'"
        ).fetchall()


def _tags_asked(uri: str) -> list[tuple[str, int, str | None]]:
    with opened(uri) as client:
        models = [model.name for model in client.search_registered_models()]
        return [
            (name, int(version.version), value)
            for name in models
            for version in versions(client, name)
            for value in (None, *version.tags.values())
        ]
