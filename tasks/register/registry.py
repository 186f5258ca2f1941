"""The work in MLflow, whole: runs, the graph, its version and aliases. Runs in a child process."""

from pathlib import Path
from typing import Any

from tasks.core.prepared import Prepared
from tasks.register import graphs, runs, standing, store


def record(plan: dict[str, Any]) -> dict[str, Any]:
    """Return {version, new, champion, replaced} of a plan, after it is all in the store.

    plan: uri, location, workload, runs (of `runs.describe`), tags; and, where a graph was chosen,
    graph (path, model, example_rows, check_rows, prepared), name, version_tags, description. Doing
    it again changes nothing: runs are found by identity, the version by its graph and params.
    """
    with store.opened(plan["uri"]) as client:
        experiment = _experiment(client, plan["workload"], plan["location"])
        ids = {r["model"]: runs.log(client, experiment, r, plan["tags"]) for r in plan["runs"]}
        if plan.get("graph") is None:
            return {"version": None, "new": False, "champion": False, "replaced": None}
        return _version(client, plan, ids[plan["graph"]["model"]])


def point(uri: str, name: str, version: int) -> int | None:
    """Make a version the candidate; return the one that was."""
    with store.opened(uri) as client:
        before = store.alias(client, name, store.CANDIDATE)
        client.set_registered_model_alias(name, store.CANDIDATE, str(version))
        return before


def _version(client: Any, plan: dict[str, Any], run_id: str) -> dict[str, Any]:
    name, tags = plan["name"], plan["version_tags"]
    _model(client, name)
    found = store.same(client, name, tags[store.GRAPH_TAG], tags[store.PARAMS_TAG])
    new = found is None or not standing.graph_there(_location(client, found))
    if found is None or new:
        graph = plan["graph"]
        path, prepared = Path(graph["path"]), Prepared(Path(graph["prepared"]))
        uri = graphs.log(run_id, path, prepared, graph["example_rows"], graph["libraries"])
        graphs.verify(uri, path, prepared, graph["check_rows"])
        found = client.create_model_version(
            name, uri, run_id, tags=tags, description=plan["description"]
        )
    number = int(found.version)
    replaced = store.alias(client, name, store.CANDIDATE)
    if replaced != number:
        client.set_registered_model_alias(name, store.CANDIDATE, str(number))
    first = store.alias(client, name, store.CHAMPION) is None
    if first:
        client.set_registered_model_alias(name, store.CHAMPION, str(number))
    champion = store.alias(client, name, store.CHAMPION) == number
    return {
        "version": number,
        "new": new,
        "first": first,
        "champion": champion,
        "replaced": replaced,
    }


def _location(client: Any, version: Any) -> str | None:
    return client.get_model_version_download_uri(version.name, version.version)


def _experiment(client: Any, workload: str, location: str | None) -> str:
    known = client.get_experiment_by_name(workload)
    if known is not None and known.lifecycle_stage == "deleted":
        client.restore_experiment(known.experiment_id)
    return known.experiment_id if known else client.create_experiment(workload, location)


def _model(client: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
