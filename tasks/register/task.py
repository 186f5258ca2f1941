"""The task `register`: MLflow runs, the chosen graph as a version, the aliases, the ledger."""

import json
from typing import Any

from prefect import task

from tasks.core import child, locks
from tasks.core import store as contents
from tasks.core.artifacts import Artifact
from tasks.core.cache import cached
from tasks.register import ledger, registry, standing, store
from tasks.register.params import Params
from tasks.register.plan import described, plan


@task(name="register", task_run_name="register", **cached("mlflow", "numpy", "onnx", "onnxruntime"))
def register(
    choice: Artifact,
    leaderboard: Artifact,
    fitted: list[Artifact],
    telemetry: list[Artifact],
    variants: list[Artifact],
    prepared: Artifact,
    workload: str,
    params: Params,
    facts: dict[str, Any],
    labels: dict[str, Any] | None = None,
) -> Artifact:
    """Return `register/version`.

    `facts` (params digest, data digests, device, library versions) and `labels` (git commit) both
    become tags; only `facts` are part of the cache key, so a commit alone registers nothing.
    """
    chosen = json.loads(choice.file("recommendation.json").read_text())
    board = json.loads(leaderboard.file("leaderboard.json").read_text())
    todo = plan(
        chosen,
        board,
        fitted,
        telemetry,
        variants,
        prepared,
        workload,
        params,
        {**facts, **(labels or {})},
    )
    with locks.held(store.lock_file()):
        outcome = child.run(
            registry.record, todo, time_limit_s=params.time_limit_s, label="register"
        ).value
    content = described(todo, outcome, chosen)
    note(content, outcome)
    with contents.writing() as folder:
        text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
        (folder / "version.json").write_text(text + "\n")
        return contents.put("register/version", folder)


def note(version: dict[str, Any], outcome: dict[str, Any]) -> None:
    """Append to the ledger what became candidate or champion by this."""
    if outcome["version"] is None:
        return
    what = {key: version[key] for key in ("name", "version", "variant", "engine", "why")}
    what |= {key: version["tags"].get(key) for key in (store.GRAPH_TAG, store.PARAMS_TAG)}
    if outcome["replaced"] != outcome["version"]:
        ledger.append("candidate", version["workload"], replaced=outcome["replaced"], **what)
    if outcome["first"]:
        ledger.append("champion", version["workload"], replaced=None, **what)


def check(version: Artifact) -> bool:
    """Return whether the store still has what version.json says; a candidate that moved is set
    back.

    It costs about a millisecond with SQLite: for every run, cached or not.
    """
    content = json.loads(version.file("version.json").read_text())
    found = standing.state(content)
    if found == "moved":
        with locks.held(store.lock_file()):
            before = child.run(
                registry.point, store.tracking_uri(), content["name"], content["version"]
            ).value
        note(content, {"version": content["version"], "replaced": before, "first": False})
    return found != "missing"


def stands(version: Artifact) -> bool:
    """Return whether the store still has what version.json says; nothing is changed."""
    return standing.state(json.loads(version.file("version.json").read_text())) != "missing"


def ensure(*arguments: Any, **named: Any) -> Artifact:
    """Return what `register` returns, run anew where its version is no longer in the store."""
    version = register(*arguments, **named)
    if check(version):
        return version
    return register.with_options(refresh_cache=True)(*arguments, **named)
