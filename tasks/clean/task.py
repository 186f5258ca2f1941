"""The step `clean`: declared steps on lazy frames, each accounted for."""

import json

from prefect import task

from tasks.clean import accounting, parts, repairs
from tasks.clean.params import Params
from tasks.core import checkpoints, store
from tasks.core.artifacts import Artifact
from tasks.core.cache import cached
from tasks.core.schema import load_columns


@task(name="clean", task_run_name="clean", **cached("polars"))
def clean(rows: Artifact, params: Params, device: str) -> Artifact:
    """Return the cleaned table with an account of every step (`clean/table`)."""
    source, columns = rows.file("table.parquet"), load_columns(rows.path)
    with (
        checkpoints.kept(parts.__name__, rows, params, device) as checkpoint,
        store.writing() as out,
    ):
        if params.engine == "polars":
            device = "cpu"
        using = (device, checkpoint, out, params.engine == "cudf", params.accounts)
        accounts = parts.run(source, columns, params.steps, *using)
        repaired = [[a["step"], repairs.merged([a.pop("repairs")])] for a in accounts]
        (out / "repairs.json").write_text(json.dumps(repaired))
        steps = [accounting.told(account) for account in accounts]
        (out / "steps.json").write_text(json.dumps(steps, indent=1, ensure_ascii=False))
        return store.put("clean/table", out)
