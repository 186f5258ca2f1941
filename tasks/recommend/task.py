"""The task `recommend`: what to ship, and why."""

import json
from collections.abc import Sequence

from prefect import task

from tasks.core import store
from tasks.core.artifacts import Artifact
from tasks.core.cache import cached
from tasks.core.plugins import Plugin
from tasks.recommend.choice import recommend as recommendation
from tasks.recommend.constraints import crowded
from tasks.recommend.estimates import estimates
from tasks.recommend.measured import Measured
from tasks.recommend.params import Params


@task(name="recommend", task_run_name="recommend", **cached("numpy", "onnx", "scipy"))
def recommend(
    measurements: Artifact,
    leaderboard: Artifact,
    variants: list[Artifact],
    params: Params,
    devices: list[Plugin],
    calibrations: Sequence[Measured] = (),
) -> Artifact:
    """Return `recommend/choice`: the chosen variant with reasons, or what stands in the way.

    `devices`: those that every variant is estimated for; `calibrations`: what was measured there.
    """
    described = [json.loads(v.file("variant.json").read_text()) for v in variants]
    measured = json.loads(measurements.file("measurements.json").read_text())
    graphs = {
        f"{stated['model']}/{stated['label']}": variant.path / stated["file"]
        for variant, stated in zip(variants, described, strict=True)
        if stated["status"] == "ok" and stated["file"].endswith(".onnx")
    }
    content = recommendation(
        measured["rows"],
        json.loads(leaderboard.file("leaderboard.json").read_text()),
        {f"{v['model']}/{v['label']}": v for v in described},
        params,
        estimates(graphs, [device.name for device in devices], calibrations),
    )
    if warning := crowded(measured):
        content["why"].append(warning)
    with store.writing() as folder:
        text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
        (folder / "recommendation.json").write_text(text + "\n")
        return store.put("recommend/choice", folder)
