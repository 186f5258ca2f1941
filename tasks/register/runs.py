"""One MLflow run a model: its params, metrics, curves and samples of the GPU."""

import hashlib
import json
import re
import time
from typing import Any

from tasks.core.artifacts import Artifact

BATCH = 1000  # metrics that MLflow takes in one call
GPU_METRICS = {  # the names under which MLflow's own page shows system metrics
    "utilisation": ("system/gpu_0_utilization_percentage", 100.0),
    "memory_mib": ("system/gpu_0_memory_usage_megabytes", 1.048576),
    "temperature_c": ("system/gpu_0_temperature_celsius", 1.0),
    "power_w": ("system/gpu_0_power_usage_watts", 1.0),
}


def describe(
    fitted: Artifact, telemetry: Artifact | None, entry: dict[str, Any], board: dict[str, Any]
) -> dict[str, Any]:
    """Return what is logged of one model; `identity` tells its run from every other.

    entry: the model's own in leaderboard.json.
    """
    read = lambda name: json.loads(fitted.file(name).read_text())  # noqa: E731
    fit, curves = read("fit.json"), read("curves.json")
    took = json.loads(telemetry.file("telemetry.json").read_text()) if telemetry else {}
    judged = board["judged"]
    metrics = {}
    for name, value in entry["metrics"].items():
        metrics[f"{judged}/{name}"] = value["value"]
        metrics[f"{judged}/{name}_low"] = value.get("low")
        metrics[f"{judged}/{name}_high"] = value.get("high")
    for name, value in entry.get("resamples", {}).items():
        metrics |= {f"resamples/{name}_{part}": value.get(part) for part in ("mean", "std", "n")}
    metrics["rank"] = entry["rank"]
    metrics |= {key: took.get(key) for key in ("wall_s", "peak_memory_mib")}
    return {
        "model": entry["name"],
        "identity": _identity(fitted, entry, judged),  # what it took varies, and does not count
        "params": _flat(fit),
        "metrics": {_key(k): float(v) for k, v in metrics.items() if _is_number(v)},
        "curves": {_key(f"curve/{k}"): v for k, v in curves.get("curves", {}).items()},
        "gpu": took.get("gpu") or [],
        "tags": {"tied_with_best": str(entry["tied_with_best"]).lower(), "judged": judged},
    }


def log(client: Any, experiment: str, facts: dict[str, Any], tags: dict[str, str]) -> str:
    """Return the id of the run that holds these facts, made where there is none yet."""
    identity = facts["identity"]
    known = client.search_runs(
        [experiment],
        f"tags.`temper.identity` = '{identity}' and status = 'FINISHED'",
        max_results=1,
    )
    if known:
        return known[0].info.run_id
    from mlflow.entities import Metric, Param, RunTag

    now = int(time.time() * 1000)
    made = client.create_run(experiment, run_name=facts["model"]).info.run_id
    points = [Metric(name, value, now, 0) for name, value in facts["metrics"].items()]
    for name, values in facts["curves"].items():
        points += [Metric(name, v, now, i) for i, v in enumerate(values, 1) if _is_number(v)]
    for step, sample in enumerate(facts["gpu"]):
        moment = now + int(sample.get("s", step) * 1000)
        points += [
            Metric(name, sample[key] * factor, moment, step)
            for key, (name, factor) in GPU_METRICS.items()
            if _is_number(sample.get(key))
        ]
    labels = {**tags, **facts["tags"], "temper.identity": identity, "temper.model": facts["model"]}
    params = [Param(k, v) for k, v in facts["params"].items()]
    for start in range(0, len(params), 100):
        client.log_batch(made, params=params[start : start + 100])
    for start in range(0, len(points), BATCH):
        client.log_batch(made, metrics=points[start : start + BATCH])
    client.log_batch(made, tags=[RunTag(k, v[:8000]) for k, v in labels.items()])
    client.set_terminated(made, "FINISHED")  # a killed one stays RUNNING and does not count
    return made


def _identity(*parts: Any) -> str:
    content = [p.model_dump() if isinstance(p, Artifact) else p for p in parts]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _flat(value: Any, prefix: str = "") -> dict[str, str]:
    """Return nested facts as `a.b` -> text, in the lengths that MLflow takes."""
    if not isinstance(value, dict):
        text = value if isinstance(value, str) else json.dumps(value)
        return {_key(prefix)[:250]: text[:6000]}
    flat: dict[str, str] = {}
    for key, inner in value.items():
        flat |= _flat(inner, f"{prefix}.{key}" if prefix and prefix != "params" else str(key))
    return flat


def _key(name: str) -> str:
    return re.sub(r"[^\w\-. /]", "_", name)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
