"""The task of `benchmark`: every variant in every engine, measured with the machine to itself."""

from prefect import task

from tasks.benchmark import measuring
from tasks.benchmark.params import Params
from tasks.core import child, slots, store
from tasks.core.artifacts import Artifact
from tasks.core.cache import cached
from tasks.core.plugins import Plugin


@task(name="benchmark", task_run_name="benchmark", **cached("onnxruntime", "openvino"))
def measure(
    variants: list[Artifact],
    fitted: list[Artifact],
    models: list[Plugin],
    engines: list[Plugin],
    metrics: list[Plugin],
    prepared: Artifact,
    params: Params,
    seed: int,
    device: str,
    machine: str,
) -> Artifact:
    """Return `benchmark/measurements`: latencies, memory and accuracy of each variant and engine.

    `fitted` and `models` belong together, in order; `variants` without a graph are left out.
    `machine` (its `identity`) is here for the key: another machine measures anew.
    """
    work = measuring.Work(
        variants=[v.path for v in variants],
        fitted={m.name: f.path for m, f in zip(models, fitted, strict=True)},
        models={m.name: m for m in models},
        engines=engines,
        metrics=metrics,
        prepared=prepared.path,
    )
    with store.writing() as out:
        with slots.quiet(device):
            child.run(
                measuring.write,
                *(out, work, params, seed, device),
                threads=params.threads,
                seed=seed,
                time_limit_s=params.time_limit_s,
                label="benchmark",
            )
        return store.put("benchmark/measurements", out)
