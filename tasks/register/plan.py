"""What will be registered, from the artifacts of the run: plain data that a child process takes."""

import json
from importlib import metadata
from typing import Any

from tasks.core.artifacts import Artifact, file_digest
from tasks.register import runs, store
from tasks.register.params import Params

SERVING = ("onnx", "onnxruntime", "numpy")  # what loading the registered graph needs
LIBRARIES = (*SERVING, "lightgbm", "polars", "scikit-learn", "torch", "xgboost")  # stated in tags


NOTHING_FITS = "nothing meets the constraints, so no version was registered"
NO_GRAPH = "the chosen variant is no ONNX graph, and the registry holds those alone"


def plan(
    choice: dict[str, Any],
    board: dict[str, Any],
    fitted: list[Artifact],
    telemetry: list[Artifact],
    variants: list[Artifact],
    prepared: Artifact,
    workload: str,
    params: Params,
    facts: dict[str, Any],
) -> dict[str, Any]:
    """Return the plan that `registry.record` carries out, paths of the store included."""
    fits, took = _by_model([*fitted, *telemetry])
    entries = {m["name"]: m for m in board["models"]}
    tags = {name: _text(value) for name, value in sorted(facts.items()) if value is not None}
    tags["workload"] = workload
    tags |= {f"library.{name}": version for name, version in versions(LIBRARIES).items()}
    content: dict[str, Any] = {
        "uri": store.tracking_uri(),
        "location": store.artifact_location(workload),
        "workload": workload,
        "tags": tags,
        "runs": [
            runs.describe(fits[name], took.get(name), entries[name], board)
            for name in sorted(fits)
            if name in entries
        ],
        "graph": None,
    }
    chosen = choice["chosen"]
    if chosen is None:
        return content
    variant = next(v for v in variants if v.name == f"compress/{chosen['variant']}")
    if not chosen["graph"].endswith(".onnx"):
        return content
    graph = variant.file("model.onnx")
    return content | {
        "name": params.name or workload,
        "description": " ".join(choice["why"]),
        "version_tags": tags
        | {
            store.GRAPH_TAG: file_digest(graph),
            store.PARAMS_TAG: tags.get(store.PARAMS_TAG, ""),
            "variant": chosen["variant"],
            "engine": chosen["engine"],
            "judged": board["judged"],
            board["primary"]: f"{chosen['metric']:.6g}",
        },
        "graph": {
            "path": str(graph),
            "model": chosen["variant"].split("/", 1)[0],
            "prepared": str(prepared.path),
            "example_rows": params.example_rows,
            "check_rows": params.check_rows,
            "libraries": versions(SERVING),
        },
    }


def _by_model(artifacts: list[Artifact]) -> tuple[dict[str, Artifact], dict[str, Artifact]]:
    """Return `train/<model>` and `telemetry/<model>` by model, whatever list they are in."""
    fits, took = {}, {}
    for artifact in artifacts:
        step, model = artifact.name.split("/")
        (took if step == "telemetry" else fits)[model] = artifact
    return fits, took


def versions(distributions: tuple[str, ...]) -> dict[str, str]:
    """Return the installed versions, by the name each ships as (`-cpu`, `-gpu`)."""
    found = {}
    for name in distributions:
        for distribution in (name, f"{name}-cpu", f"{name}-gpu"):
            try:
                found[distribution] = metadata.version(distribution)
                break
            except metadata.PackageNotFoundError:
                continue
    return found


def described(plan: dict[str, Any], outcome: dict[str, Any], choice: dict[str, Any]) -> dict:
    """Return version.json: the same for the same input, but for the version number and aliases."""
    content: dict[str, Any] = {
        "workload": plan["workload"],
        "registered": outcome["version"] is not None,
        "runs": [{"model": r["model"], "identity": r["identity"]} for r in plan["runs"]],
        "name": None,
        "version": None,
        "uri": None,
        "alias": None,
        "aliases": [],
        "tags": plan["tags"],
        "why": choice["why"],
    }
    if outcome["version"] is None:
        return content | {"reason": NO_GRAPH if choice["chosen"] else NOTHING_FITS}
    aliases = [store.CANDIDATE] + ([store.CHAMPION] if outcome["champion"] else [])
    return content | {
        "name": plan["name"],
        "version": outcome["version"],
        "uri": f"models:/{plan['name']}/{outcome['version']}",
        "alias": store.CANDIDATE,
        "aliases": aliases,
        "variant": plan["version_tags"]["variant"],
        "engine": plan["version_tags"]["engine"],
        "tags": plan["version_tags"],
        "libraries": plan["graph"]["libraries"],
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
