"""Whether MLflow's store still holds what a version.json says."""

import sqlite3
import urllib.parse
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

from tasks.register import store
from tasks.register.store import CANDIDATE, GRAPH_TAG, PARAMS_TAG


def state(version: dict[str, Any], uri: str | None = None) -> str:
    """Return what the store says of a version.json: `ok`, `moved` (it is not the candidate) or
    `missing`.

    SQLite is read as it lies, in about a millisecond; another store is asked through MLflow.
    """
    uri = uri or store.tracking_uri()
    runs = [run["identity"] for run in version["runs"]]
    name, number = version.get("name"), version.get("version")
    if uri.startswith("sqlite:///"):
        path = Path(uri.removeprefix("sqlite:///"))
        return _read_sqlite(path, name, number, version, runs) if path.is_file() else "missing"
    with store.opened(uri) as client:
        return _ask(client, name, number, version, runs)


def _read_sqlite(
    path: Path, name: str | None, number: int | None, version: dict, runs: list[str]
) -> str:
    address = f"file:{urllib.parse.quote(str(path))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=10)) as database:
            for identity in runs:
                if not database.execute(
                    "SELECT 1 FROM tags JOIN runs USING (run_uuid) WHERE key = 'temper.identity' "
                    "AND value = ? AND lifecycle_stage = 'active' AND status = 'FINISHED'",
                    (identity,),
                ).fetchone():
                    return "missing"
            if number is None:
                return "ok"
            row = database.execute(
                "SELECT storage_location FROM model_versions JOIN model_version_tags "
                "USING (workspace, name, version) WHERE name = ? AND version = ? "
                "AND status = 'READY' AND current_stage != 'Deleted_Internal' AND key = ? AND "
                "value = ?",
                (name, number, GRAPH_TAG, version["tags"][GRAPH_TAG]),
            ).fetchone()
            if row is None or not graph_there(row[0]):
                return "missing"
            at = database.execute(
                "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?",
                (name, CANDIDATE),
            ).fetchone()
            return "ok" if at and at[0] == number else "moved"
    except sqlite3.Error:  # no such table, not a database: nothing is registered there
        return "missing"


def graph_there(location: str | None) -> bool:
    """Return whether the graph of a version is where the store says (on this machine's disk)."""
    if not location or not location.startswith("file:"):
        return bool(location)  # a bucket: not asked on every run
    folder = urllib.request.url2pathname(urllib.parse.urlsplit(location).path)
    return (Path(folder) / "model.onnx").is_file()


def _ask(client: Any, name: str | None, number: int | None, version: dict, runs: list[str]) -> str:
    experiment = client.get_experiment_by_name(version["workload"])
    if experiment is None:
        return "missing"
    for identity in runs:
        if not client.search_runs(
            [experiment.experiment_id], f"tags.`temper.identity` = '{identity}'", max_results=1
        ):
            return "missing"
    if number is None:
        return "ok"
    found = store.same(client, str(name), version["tags"][GRAPH_TAG], version["tags"][PARAMS_TAG])
    if found is None or int(found.version) != number:
        return "missing"
    return "ok" if store.alias(client, str(name), CANDIDATE) == number else "moved"
